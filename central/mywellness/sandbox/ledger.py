"""Who is known, what they hold and when they came: the sandbox's only memory, in RAM or in a file."""

import os
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, assert_never

from pydantic import ValidationError

from central.mywellness.sandbox.events import (
    Event,
    MembershipSaved,
    Operation,
    PersonCreated,
    PersonDeleted,
    PersonUpdated,
    VisitRecorded,
    from_line,
    to_line,
)

PROSPECT, EX_MEMBER, MEMBER = 5, 7, 10
"""`facility_user_status` as the webhook tells it (§1.12)."""

STATUS_AFTER = {Operation.SUBSCRIBE: MEMBER, Operation.RENEW: MEMBER, Operation.UNSUBSCRIBE: EX_MEMBER}
MATCHED_BY = ("firstName", "lastName", "gender", "birthDate")


class LedgerUnreadableError(Exception):
    """The ledger file holds a line that is no event."""


@dataclass(frozen=True, slots=True)
class Membership:
    """The one membership a facility user has (§1.7)."""

    fields: dict[str, str] = field(default_factory=dict)
    last_operation: Operation = Operation.SUBSCRIBE
    frozen: bool = False
    ended: bool = False

    def after(self, saved: MembershipSaved) -> "Membership":
        """Return the membership as it stands after one more operation."""
        anew = saved.operation in {Operation.SUBSCRIBE, Operation.RENEW}
        frozen = {Operation.FROZE: True, Operation.UNFROZE: False, Operation.SUBSCRIBE: False}
        return Membership(
            fields=saved.fields if anew else self.fields | saved.fields,
            last_operation=saved.operation,
            frozen=frozen.get(saved.operation, self.frozen),
            ended=saved.operation is Operation.UNSUBSCRIBE or (self.ended and not anew),
        )


@dataclass(frozen=True, slots=True)
class Person:
    """A person in one facility, with the four ids of §1.4."""

    facility: str
    user_id: str
    facility_user_id: str
    permanent_token: str
    external_id: str
    created_at: datetime
    modified_at: datetime
    details: dict[str, Any]
    groups: tuple[int, ...] = ()
    membership: Membership | None = None
    status: int = PROSPECT
    deleted_at: datetime | None = None

    @property
    def match_key(self) -> tuple[str, ...]:
        """What Mywellness recognises a person by (§1.4)."""
        return tuple(str(self.details.get(name, "")) for name in MATCHED_BY)


class Ledger:
    """Events in order and what they add up to.

    With a path every event is on disk (fsync) when `record` returns, and a new `Ledger` on the same path
    continues there; a half-written last line is dropped. The wait blocks the event loop: it is a stand-in.
    Raises `LedgerUnreadableError` if the file is damaged, `OSError` if it cannot be opened.
    """

    def __init__(self, path: Path | None = None) -> None:
        """Open or begin the ledger."""
        self._forget()
        self._file: int | None = None
        if path is not None:
            self._read(path)
            self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def _forget(self) -> None:
        self.people: dict[str, Person] = {}
        self.visits: list[VisitRecorded] = []
        self.saves: list[MembershipSaved] = []
        self.counters: Counter[str] = Counter()
        self._by_token: dict[str, str] = {}
        self._by_external: dict[tuple[str, str], str] = {}
        self._by_user: dict[tuple[str, str], str] = {}
        self._by_match: dict[tuple[str, ...], list[str]] = {}
        self._seen: set[tuple[str, str, datetime]] = set()

    def _read(self, path: Path) -> None:
        if not path.exists():
            return
        content = path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            os.truncate(path, whole)
        for number, line in enumerate(content[:whole].splitlines(), start=1):
            try:
                self._apply(from_line(line))
            except ValidationError as error:
                msg = f"{path} line {number} is no ledger event; restore the file or start with a new one"
                raise LedgerUnreadableError(msg) from error

    def record(self, event: Event) -> None:
        """Make the event durable (if there is a file), then let it count.

        Raises `OSError` when the disk does not take the whole line; nothing has happened then, on disk or here.
        """
        if self._file is not None:
            self._append(self._file, to_line(event))
        self._apply(event)

    def _append(self, file: int, line: bytes) -> None:
        before = os.fstat(file).st_size
        try:
            _write_whole(file, line)
            os.fdatasync(file)
        except OSError:
            # Half a line would spoil the next one.
            os.ftruncate(file, before)
            raise

    def reset(self) -> None:
        """Forget everything, on disk too."""
        if self._file is not None:
            os.ftruncate(self._file, 0)
            os.fdatasync(self._file)
        self._forget()

    def close(self) -> None:
        """Give the file back."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _apply(self, event: Event) -> None:
        self.counters[event.kind] += 1
        match event:
            case PersonCreated():
                self._keep(
                    Person(
                        facility=event.facility,
                        user_id=event.user_id,
                        facility_user_id=event.facility_user_id,
                        permanent_token=event.permanent_token,
                        external_id=event.external_id,
                        created_at=event.at,
                        modified_at=event.at,
                        details=event.details,
                    )
                )
            case PersonUpdated():
                person = self.people[event.facility_user_id]
                groups = person.groups if event.groups is None else event.groups
                details = person.details | event.details
                self._keep(replace(person, details=details, groups=groups, modified_at=event.at))
            case MembershipSaved():
                self.saves.append(event)
                person = self.people[event.facility_user_id]
                membership = (person.membership or Membership()).after(event)
                status = STATUS_AFTER.get(event.operation, person.status)
                self._keep(replace(person, membership=membership, status=status))
            case VisitRecorded():
                self.visits.append(event)
                self.counters["visits_counted"] += event.counted
                self._seen.add((event.facility, event.user_id, event.happened_at))
            case PersonDeleted():
                self._keep(replace(self.people[event.facility_user_id], deleted_at=event.at))
            case _:
                assert_never(event)

    def _keep(self, person: Person) -> None:
        ident = person.facility_user_id
        before = self.people.get(ident)
        if before is not None and before.deleted_at is None:
            self._by_match[before.match_key].remove(ident)
        self.people[ident] = person
        if person.deleted_at is None:
            self._by_token[person.permanent_token] = ident
            self._by_external[person.facility, person.external_id] = ident
            self._by_user[person.facility, person.user_id] = ident
            self._by_match.setdefault(person.match_key, []).append(ident)
        else:
            self._by_token.pop(person.permanent_token, None)
            self._by_external.pop((person.facility, person.external_id), None)
            self._by_user.pop((person.facility, person.user_id), None)

    def _present(self, facility: str, ident: str | None) -> Person | None:
        person = None if ident is None else self.people.get(ident)
        return person if person and person.facility == facility and person.deleted_at is None else None

    def by_id(self, facility: str, facility_user_id: str) -> Person | None:
        """Return the person of this facility, if present."""
        return self._present(facility, facility_user_id)

    def by_token(self, facility: str, permanent_token: str) -> Person | None:
        """Return the person with this permanent token, if present in the facility."""
        return self._present(facility, self._by_token.get(permanent_token))

    def by_external(self, facility: str, external_id: str) -> Person | None:
        """Return the person with this external id, if present in the facility."""
        return self._present(facility, self._by_external.get((facility, external_id)))

    def by_user(self, facility: str, user_id: str) -> Person | None:
        """Return the facility's entry of a global person, if present."""
        return self._present(facility, self._by_user.get((facility, user_id)))

    def matching(self, key: tuple[str, ...]) -> list[Person]:
        """Return everybody present, in any facility, who shares name, gender and birth date."""
        return [self.people[ident] for ident in self._by_match.get(key, [])]

    def has_visit(self, facility: str, user_id: str, happened_at: datetime) -> bool:
        """Tell whether this person has a visit at this very moment."""
        return (facility, user_id, happened_at) in self._seen


def _write_whole(file: int, line: bytes) -> None:
    if os.write(file, line) != len(line):
        msg = "the ledger's disk took only part of a line; free some space"
        raise OSError(msg)
