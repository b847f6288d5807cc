"""The actions of contract §1.3-1.9: what each needs, and what it makes of the ledger.

Each effect is a function of the wish alone; the sandbox records its event. A look-up has three
shapes of "not found" (§1.2); the other actions refuse an unknown id with `errors[]`.
"""

import secrets
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from central.mywellness.sandbox.events import (
    Event,
    MembershipSaved,
    Operation,
    PersonCreated,
    PersonDeleted,
    PersonUpdated,
    VisitRecorded,
)
from central.mywellness.sandbox.ledger import MATCHED_BY, Ledger, Person
from central.mywellness.sandbox.switches import (
    CreateUserId,
    DeleteThenGet,
    LookupExternal,
    MatchResult,
    MembershipOpenEnd,
    OmittedGroups,
    Switches,
    VisitDate,
    VisitDup,
)
from central.mywellness.sandbox.wire import (
    Problem,
    invalid,
    masked_mail,
    read_day,
    read_moment,
    required,
    write_moment,
)

APPLICATION = "69295ed5-a53c-434b-8518-f2e0b5f05b28"
"""The "Professional" application, a public constant (§1.3)."""

GENDERS = frozenset({"M", "F"})
UPDATABLE = (
    "firstName",
    "lastName",
    "nickName",
    "birthDate",
    "gender",
    "email",
    "address1",
    "zipCode",
    "city",
    "stateProvince",
    "phoneNumber",
    "mobilePhoneNumber",
    "measurementSystem",
    "levelOfInterest",
    "notes",
)
PROFILE = (
    "firstName",
    "lastName",
    "nickName",
    "email",
    "birthDate",
    "gender",
    "notes",
    "address1",
    "city",
    "zipCode",
    "phoneNumber",
    "mobilePhoneNumber",
    "levelOfInterest",
    "measurementSystem",
)
MEMBERSHIP_DAYS = ("memberSince", "startOn", "expiresOn")
SUCCESS = {"result": "Success"}


@dataclass(frozen=True, slots=True)
class Wish:
    """One admitted call: the ledger as it stands, the path's id, the body with lower-case keys."""

    ledger: Ledger
    switches: Switches
    facility: str
    ident: str
    body: Mapping[str, Any]
    now: datetime
    culture: str

    def get(self, name: str) -> Any:
        """Return a field by its documented name, whatever case it came in (§1.1)."""
        return self.body.get(name.lower())


class Effect(NamedTuple):
    """What an action does: `data` to answer and perhaps an event, or problems and nothing else."""

    data: dict[str, Any]
    event: Event | None = None
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Action:
    """One row of the contract: where it lives, what it requires, what it does (None: it begins a session)."""

    place: str
    name: str
    required: tuple[str, ...]
    effect: Callable[[Wish], Effect] | None
    exists: Callable[[Switches], bool] = lambda _switches: True

    @property
    def at_facility(self) -> bool:
        """Tell whether the path's id is the facility's."""
        return self.place == "core/facility"


def refused(*problems: Problem) -> Effect:
    """Return an effect that is only a refusal."""
    return Effect({}, None, problems)


def create(wish: Wish) -> Effect:
    """Create the person, or find who is there already (§1.4)."""
    day = read_day(wish.get("dateOfBirth"))
    if day is None:
        return refused(invalid("dateOfBirth", "Date must be yyyy-MM-dd"))
    if str(wish.get("gender")) not in GENDERS:
        return refused(invalid("gender", "Gender must be M or F"))
    external_id = str(wish.get("externalId"))
    details = {name: wish.get(name) for name in ("firstName", "lastName", "gender", "email")} | {"birthDate": day}
    twins = wish.ledger.matching(tuple(str(details[name]) for name in MATCHED_BY))
    if twins:
        return _matched(wish, twins, external_id, details)
    if wish.ledger.by_external(wish.facility, external_id) is not None:
        return refused(Problem("ExternalId", "AlreadyExists", text="Another person has this external id"))
    return _enter(wish, str(uuid.uuid4()), external_id, details, "Created")


def _matched(wish: Wish, twins: list[Person], external_id: str, details: dict[str, Any]) -> Effect:
    match wish.switches.match_result:
        case MatchResult.ERRORS:
            return refused(Problem("User", "AlreadyExists", "MatchFound", "The user exists already"))
        case MatchResult.AMBIGUOUS_LIST:
            return Effect({"result": "UserEmailAndDataMatchFound", "matchedUsers": [_candidate(p) for p in twins]})
        case MatchResult.MATCH_FOUND:
            here = next((person for person in twins if person.facility == wish.facility), None)
            if here is None:
                return _enter(wish, twins[0].user_id, external_id, details, "MatchFound")
            return Effect(_ids(wish, "MatchFound", here.user_id, here.facility_user_id, here.permanent_token))


def _candidate(person: Person) -> dict[str, Any]:
    return {
        "userId": person.user_id,
        "facilityUserId": person.facility_user_id,
        "email": masked_mail(str(person.details.get("email") or "")),
    }


def _enter(wish: Wish, user_id: str, external_id: str, details: dict[str, Any], result: str) -> Effect:
    event = PersonCreated(
        at=wish.now,
        facility=wish.facility,
        user_id=user_id,
        facility_user_id=str(uuid.uuid4()),
        permanent_token=secrets.token_urlsafe(24),
        external_id=external_id,
        details=details,
    )
    return Effect(_ids(wish, result, user_id, event.facility_user_id, event.permanent_token), event)


def _ids(wish: Wish, result: str, user_id: str, facility_user_id: str, permanent_token: str) -> dict[str, Any]:
    data = {"result": result, "facilityUserId": facility_user_id, "permanentToken": permanent_token}
    return data | {"userId": user_id} if wish.switches.create_user_id is CreateUserId.RETURNED else data


def look_up_by_token(wish: Wish) -> Effect:
    """Find a person by the permanent token (§1.5 row 1)."""
    return _profile(wish, wish.ledger.by_token(wish.facility, str(wish.get("permanentToken"))))


def look_up_by_external_id(wish: Wish) -> Effect:
    """Find a person by our own id (§1.5 row 2)."""
    return _profile(wish, wish.ledger.by_external(wish.facility, str(wish.get("externalId"))))


def _profile(wish: Wish, person: Person | None) -> Effect:
    if person is None:
        match wish.switches.delete_then_get:
            case DeleteThenGet.NOT_FOUND:
                return Effect({"notFound": True})
            case DeleteThenGet.EMPTY_DATA:
                return Effect({})
            case DeleteThenGet.ERRORS:
                return refused(_unknown("FacilityUser"))
    profile: dict[str, Any] = {name: person.details.get(name) for name in PROFILE}
    return Effect(
        profile
        | {
            "userId": person.user_id,
            "facilityUserId": person.facility_user_id,
            "externalId": person.external_id,
            "createdOn": write_moment(person.created_at),
            "modifiedOn": write_moment(person.modified_at),
        }
    )


def _unknown(what: str) -> Problem:
    return Problem(what, "NotFound", text="Not found")


def update(wish: Wish) -> Effect:
    """Change a person's details and groups; what is not sent stays, unknown names are ignored (§1.6)."""
    person = wish.ledger.by_id(wish.facility, wish.ident)
    if person is None:
        return refused(_unknown("FacilityUserId"))
    details = {name: wish.get(name) for name in UPDATABLE if name.lower() in wish.body}
    if "birthDate" in details:
        details["birthDate"] = read_day(details["birthDate"])
        if details["birthDate"] is None:
            return refused(invalid("birthDate", "Date must be yyyy-MM-dd"))
    if str(details.get("gender", "F")) not in GENDERS:
        return refused(invalid("gender", "Gender must be M or F"))
    groups = wish.get("groups")
    if groups is None:
        kept = () if wish.switches.omitted_groups is OmittedGroups.CLEAR else None
        return Effect(SUCCESS, PersonUpdated(wish.now, person.facility_user_id, details, kept))
    if not isinstance(groups, list) or any(type(group) is not int for group in groups):
        return refused(invalid("groups", "Groups must be integers"))
    return Effect(SUCCESS, PersonUpdated(wish.now, person.facility_user_id, details, tuple(groups)))


def save_membership(wish: Wish) -> Effect:
    """Replace or change the facility user's one membership (§1.7)."""
    person = wish.ledger.by_id(wish.facility, wish.ident)
    if person is None:
        return refused(_unknown("FacilityUserId"))
    try:
        operation = Operation(str(wish.get("operation")))
    except ValueError:
        return refused(invalid("operation", "Unknown operation"))
    fields = {name: str(wish.get(name)) for name in (*MEMBERSHIP_DAYS, "description") if wish.get(name) is not None}
    if operation in {Operation.SUBSCRIBE, Operation.RENEW}:
        open_end = wish.switches.membership_open_end is MembershipOpenEnd.ACCEPT_MISSING
        needed = MEMBERSHIP_DAYS[:2] if open_end else MEMBERSHIP_DAYS
        missing = [name for name in needed if not fields.get(name)]
        if missing:
            return refused(*required(missing, wish.culture))
    for name in MEMBERSHIP_DAYS:
        if name in fields and read_day(fields[name]) is None:
            return refused(invalid(name, "Date must be yyyy-MM-dd"))
    return Effect(SUCCESS, MembershipSaved(wish.now, person.facility_user_id, operation, fields))


def visit(wish: Wish) -> Effect:
    """Note a visit of the global person at this club; without a date it is now (§1.8)."""
    person = wish.ledger.by_user(wish.facility, wish.ident)
    if person is None:
        return refused(_unknown("UserId"))
    text = wish.get("visitDate")
    happened_at: datetime | None = wish.now
    if text is not None and wish.switches.visit_date is not VisitDate.IGNORED:
        happened_at = read_moment(text)
    if happened_at is None:
        return refused(invalid("visitDate", "Date must be yyyy-MM-dd HH:mm:ss +HH:mm"))
    limit = timedelta(hours=wish.switches.visit_max_age_h)
    if wish.switches.visit_date is VisitDate.REFUSE_OLDER and happened_at < wish.now - limit:
        return refused(invalid("visitDate", "The visit is too old"))
    known = wish.ledger.has_visit(wish.facility, person.user_id, happened_at)
    counted = not (known and wish.switches.visit_dup is VisitDup.COLLAPSES)
    shown = None if text is None else str(text)
    return Effect(SUCCESS, VisitRecorded(wish.now, wish.facility, person.user_id, shown, happened_at, counted))


def delete(wish: Wish) -> Effect:
    """Take the person out of the facility (§1.9)."""
    person = wish.ledger.by_id(wish.facility, wish.ident)
    if person is None:
        return refused(_unknown("FacilityUserId"))
    return Effect(SUCCESS, PersonDeleted(wish.now, person.facility_user_id))


LOGIN = Action("application", "AccessIntegration", ("apiKey", "username", "password"), None)
ACTIONS = (
    LOGIN,
    Action(
        "core/facility",
        "CreateFacilityUserFromThirdParty",
        ("firstName", "lastName", "dateOfBirth", "gender", "externalId"),
        create,
    ),
    Action("core/facility", "GetFacilityUserFromPermanentToken", ("permanentToken",), look_up_by_token),
    Action(
        "core/facility",
        "GetFacilityUserByExternalID",
        ("externalId",),
        look_up_by_external_id,
        exists=lambda switches: switches.lookup_external is LookupExternal.BY_EXTERNAL_ID,
    ),
    Action(
        "core/facility",
        "GetFacilityUserFromExternalId",
        ("externalId",),
        look_up_by_external_id,
        exists=lambda switches: switches.lookup_external is LookupExternal.FROM_EXTERNAL_ID,
    ),
    Action("core/facilityuser", "Update", (), update),
    Action("core/facilityuser", "SaveMembership", ("operation",), save_membership),
    Action("core/user", "Visit", (), visit),
    Action("core/facilityuser", "Delete", (), delete),
)
BY_ROUTE = {(action.place, action.name.lower()): action for action in ACTIONS}
