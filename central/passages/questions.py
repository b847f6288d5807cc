"""What people ask about passages: lists for the API and the live page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from central.errors import Invalid
from central.passages.words import in_words
from central.schema import lane, passage, person, quarantine, site, visit


@dataclass(frozen=True, slots=True)
class PassageView:
    """A passage as people see it."""

    id: str
    at: datetime
    """The instant, with the offset of the site's zone."""
    received_at: datetime
    site: str
    edge: str
    epoch: str
    sequence: int
    reader: str
    lane: str
    lane_name: str
    direction: str
    passage: str
    credential: str
    raw: str
    person: str | None
    name: str
    granted: bool
    reason: str
    words: str
    all_reasons: list[str]
    entitlement: str | None
    revision: int
    """Of the access list that decided."""
    edge_new_visit: bool
    """What the edge thought; `new_visit` is what central found (A-51)."""
    new_visit: bool
    late: bool
    offline: bool
    opened_first: bool
    passed: bool | None
    clock: str

    @property
    def masked(self) -> str:
        """The end of the credential: enough to compare with a card in the hand."""
        return f"…{self.credential[-4:]}"

    @property
    def key(self) -> str:
        """Where this passage stands in a list, for `after`."""
        return f"{self.at.astimezone(UTC).isoformat()}~{self.id}"


@dataclass(frozen=True, slots=True)
class PassageFilter:
    """Which passages; what is `None` does not limit."""

    first: date | None = None
    """First visit day, inclusive."""
    last: date | None = None
    """Last visit day, inclusive."""
    site: str | None = None
    person: str | None = None
    credential: str | None = None
    reader: str | None = None
    only_visits: bool = False
    only_denied: bool = False


@dataclass(frozen=True, slots=True)
class VisitView:
    """A visit as people see it."""

    id: str
    site: str
    person: str
    visit_day: date
    ordinal: int
    opened_at: datetime
    closed_at: datetime | None
    sent_as: str | None

    @property
    def key(self) -> str:
        """Where this visit stands in a list, for `after`."""
        return f"{self.opened_at.astimezone(UTC).isoformat()}~{self.id}"


@dataclass(frozen=True, slots=True)
class QuarantineView:
    """What could not be read, as people see it."""

    id: int
    edge: str
    epoch: str | None
    sequence: int | None
    why: str
    raw: str
    at: datetime


@dataclass(frozen=True, slots=True)
class UnknownCard:
    """A credential nobody owns that was read, with what the reader sent: to be assigned to a member (A-03)."""

    credential: str
    raw: str
    last_at: datetime
    reader: str
    times: int


_NAME: Final = sa.func.trim(person.c.first_name + " " + person.c.last_name).label("name")
_PASSAGES: Final = sa.select(passage, site.c.zone, lane.c.name.label("lane_name"), _NAME).select_from(
    passage.join(site, site.c.id == passage.c.site)
    .outerjoin(lane, lane.c.id == passage.c.lane)
    .outerjoin(person, person.c.id == passage.c.person)
)
_OVERLAP: Final = timedelta(seconds=5)
"""Another process may commit a little after its clock was read."""


def list_passages(
    connection: sa.Connection, which: PassageFilter, *, after: str | None = None, limit: int = 100
) -> Sequence[PassageView]:
    """Return passages, newest first (A-46)."""
    question = _PASSAGES.order_by(passage.c.at.desc(), passage.c.id.desc()).limit(limit)
    limits = {
        passage.c.site: which.site,
        passage.c.person: which.person,
        passage.c.credential: which.credential,
        passage.c.reader: which.reader,
    }
    question = question.where(*(column == value for column, value in limits.items() if value is not None))
    if which.first is not None:
        question = question.where(passage.c.visit_day >= which.first)
    if which.last is not None:
        question = question.where(passage.c.visit_day <= which.last)
    if which.only_visits:
        question = question.where(passage.c.new_visit.is_(sa.true()))
    if which.only_denied:
        question = question.where(passage.c.granted.is_(sa.false()))
    if after is not None:
        question = question.where(_before(passage.c.at, passage.c.id, after))
    return [_passage_view(row) for row in connection.execute(question).mappings()]


def count_passages(connection: sa.Connection) -> int:
    """Return how many passages there are."""
    return connection.execute(sa.select(sa.func.count()).select_from(passage)).scalar_one()


def latest_passages(connection: sa.Connection, since: datetime | None, limit: int) -> Sequence[PassageView]:
    """Return the passages that came in last, at or a little before `since` at the earliest, oldest first."""
    question = _PASSAGES.order_by(passage.c.received_at.desc(), passage.c.at.desc(), passage.c.id.desc()).limit(limit)
    if since is not None:
        question = question.where(passage.c.received_at >= since - _OVERLAP)
    return [_passage_view(row) for row in connection.execute(question).mappings()][::-1]


def list_visits(
    connection: sa.Connection, which: PassageFilter, *, after: str | None = None, limit: int = 100
) -> Sequence[VisitView]:
    """Return visits, newest first; of the filter, days, site and person count."""
    question = (
        sa.select(visit, site.c.zone)
        .join(site, site.c.id == visit.c.site)
        .order_by(visit.c.opened_at.desc(), visit.c.id.desc())
        .limit(limit)
    )
    limits = {visit.c.site: which.site, visit.c.person: which.person}
    question = question.where(*(column == value for column, value in limits.items() if value is not None))
    if which.first is not None:
        question = question.where(visit.c.visit_day >= which.first)
    if which.last is not None:
        question = question.where(visit.c.visit_day <= which.last)
    if after is not None:
        question = question.where(_before(visit.c.opened_at, visit.c.id, after))
    return [_visit_view(row) for row in connection.execute(question).mappings()]


def list_quarantine(
    connection: sa.Connection, *, before: int | None = None, limit: int = 100
) -> Sequence[QuarantineView]:
    """Return what could not be read, newest first."""
    question = sa.select(quarantine).order_by(quarantine.c.id.desc()).limit(limit)
    if before is not None:
        question = question.where(quarantine.c.id < before)
    return [
        QuarantineView(
            row.id, row.edge, row.epoch, row.sequence, row.why, row.raw.decode(errors="backslashreplace"), row.at
        )
        for row in connection.execute(question)
    ]


def unknown_cards(connection: sa.Connection, *, limit: int = 100) -> Sequence[UnknownCard]:
    """Return credentials that nobody owned when they were last read, latest first (A-03)."""
    last_at = sa.func.max(passage.c.at).label("last_at")
    unknown = passage.c.reason == "UNKNOWN_CREDENTIAL"
    groups = (
        sa.select(passage.c.credential, last_at, sa.func.count().label("times"))
        .where(unknown)
        .group_by(passage.c.credential)
        .order_by(last_at.desc())
        .limit(limit)
        .subquery()
    )
    question = (
        sa.select(passage.c.credential, passage.c.raw, passage.c.at, passage.c.reader, groups.c.times)
        .join(groups, (groups.c.credential == passage.c.credential) & (groups.c.last_at == passage.c.at))
        .where(unknown)
        .order_by(passage.c.at.desc())
    )
    return list({row.credential: UnknownCard(*row) for row in connection.execute(question)}.values())


def _before(when: sa.ColumnElement[datetime], key: sa.ColumnElement[str], after: str) -> sa.ColumnElement[bool]:
    at, _, last = after.partition("~")
    try:
        instant = datetime.fromisoformat(at).astimezone(UTC)
    except (ValueError, OverflowError) as problem:
        raise Invalid("BAD_PAGE", "`after` is none of ours; send the `next` of the page before") from problem
    return sa.or_(when < instant, sa.and_(when == instant, key < last))


def _passage_view(row: sa.RowMapping) -> PassageView:
    return PassageView(
        id=row["id"],
        at=row["at"].astimezone(ZoneInfo(row["zone"])),
        received_at=row["received_at"],
        site=row["site"],
        edge=row["edge"],
        epoch=row["epoch"],
        sequence=row["sequence"],
        reader=row["reader"],
        lane=row["lane"],
        lane_name=row["lane_name"] or row["lane"],
        direction=row["direction"],
        passage=row["passage"],
        credential=row["credential"],
        raw=row["raw"],
        person=row["person"],
        name=row["name"] or "",
        granted=row["granted"],
        reason=row["reason"],
        words=in_words(row["reason"]),
        all_reasons=list(row["all_reasons"]),
        entitlement=row["entitlement"],
        revision=row["revision"],
        edge_new_visit=row["edge_new_visit"],
        new_visit=row["new_visit"],
        late=row["late"],
        offline=row["offline"],
        opened_first=row["opened_first"],
        passed=row["passed"],
        clock=row["clock"],
    )


def _visit_view(row: sa.RowMapping) -> VisitView:
    zone = ZoneInfo(row["zone"])
    closed = row["closed_at"]
    return VisitView(
        row["id"],
        row["site"],
        row["person"],
        row["visit_day"],
        row["ordinal"],
        row["opened_at"].astimezone(zone),
        closed.astimezone(zone) if closed else None,
        row["sent_as"],
    )
