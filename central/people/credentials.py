"""Use cases of credentials: assign, replace, block, return (A-04). A credential has one holder at most."""

from typing import Final

from central.changes import Aggregate, Unit
from central.errors import Invalid, NotFound, Refused
from central.people import store
from central.people.service import require
from protocol.credential import CardFormat, Credential, CredentialError, from_import, normalise
from protocol.entitlement import CredentialStatus

_FREE: Final = CredentialStatus.RETURNED


def read(card: str, card_format: CardFormat | None = None, prefix: str = "") -> Credential:
    """Return the credential that `card` names: canonical, as printed, or as a reader of `card_format` sent it (A-02).

    Refuses with `NOT_A_CREDENTIAL`.
    """
    try:
        return normalise(card, card_format, prefix=prefix) if card_format else from_import(card, prefix=prefix)
    except CredentialError as problem:
        raise Invalid("NOT_A_CREDENTIAL", str(problem)) from problem


def assign(unit: Unit, person: str, credential: Credential) -> None:
    """Give a credential to a person; another's is refused with `CREDENTIAL_IN_USE` until it is returned there."""
    require(unit.connection, person)
    found = store.holder(unit.connection, credential.canonical)
    if found is not None:
        holder, status = found
        if holder != person and status is not _FREE:
            detail = f"credential {credential.masked} is {status} on member {holder}; return it there first"
            raise Refused("CREDENTIAL_IN_USE", detail)
        if holder == person and status is CredentialStatus.ACTIVE:
            unit.changed(Aggregate.PERSON, holder)
    store.save_credential(
        unit.connection,
        credential.canonical,
        held_by=person,
        status=CredentialStatus.ACTIVE,
        at=unit.now,
        new=found is None,
    )
    unit.changed(Aggregate.PERSON, person)


def replace(unit: Unit, person: str, old: Credential, new: Credential, *, keep_old: bool = False) -> None:
    """Give a person a new credential for an old one, which is blocked with it unless it is kept (A-04)."""
    _held_by(unit, person, old)
    if old == new:
        raise Invalid("SAME_CREDENTIAL", "old and new card are the same; present the new one")
    assign(unit, person, new)
    if not keep_old:
        set_status(unit, person, old, CredentialStatus.BLOCKED)


def set_status(unit: Unit, person: str, credential: Credential, status: CredentialStatus) -> None:
    """Block a credential, take it back, or let it open again."""
    if _held_by(unit, person, credential) is not status:
        store.set_status(unit.connection, credential.canonical, status)
        unit.changed(Aggregate.PERSON, person)


def _held_by(unit: Unit, person: str, credential: Credential) -> CredentialStatus:
    require(unit.connection, person)
    found = store.holder(unit.connection, credential.canonical)
    if found is None or found[0] != person:
        raise NotFound("credential of this member", credential.masked)
    return found[1]
