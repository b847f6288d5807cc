"""One facility's way in to Mywellness, with everything that may change overnight as a setting (contract §2 no. 17)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from central.mywellness.rules import SyncPolicy

_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


@dataclass(frozen=True, slots=True)
class Actions:
    """The names Mywellness gives its actions; settings, because none is guaranteed to stay (contract §2 no. 17)."""

    login: str = "AccessIntegration"
    create: str = "CreateFacilityUserFromThirdParty"
    by_external_id: str = "GetFacilityUserByExternalID"
    by_permanent_token: str = "GetFacilityUserFromPermanentToken"  # noqa: S105 - the name of an action
    update: str = "Update"
    save_membership: str = "SaveMembership"
    visit: str = "Visit"
    delete: str = "Delete"


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """One facility's way in. `facility` is its slug at Mywellness; secrets stay out of `repr`.

    The base URL must be https, except on this machine or with `allow_plain` (a private network between containers).
    After a refused login the next one waits `refused_login_pause`, doubling up to `login_pause_limit`: an integration
    user that is asked too often gets locked. `outage_login_pause` follows a login that got no usable answer.
    """

    base_url: str
    facility: str
    api_key: str = field(repr=False)
    username: str = field(repr=False)
    password: str = field(repr=False)
    client_name: str = "thirdParties"
    application: str = "69295ed5-a53c-434b-8518-f2e0b5f05b28"
    actions: Actions = field(default_factory=Actions)
    connect_timeout: timedelta = timedelta(seconds=5)
    answer_timeout: timedelta = timedelta(seconds=30)
    refresh_after: timedelta = timedelta(minutes=25)
    refused_login_pause: timedelta = timedelta(minutes=15)
    outage_login_pause: timedelta = timedelta(seconds=30)
    login_pause_limit: timedelta = timedelta(hours=4)
    allow_plain: bool = False

    def __post_init__(self) -> None:
        """Refuse to send passwords in the clear over a network."""
        parts = urlsplit(self.base_url)
        if parts.scheme != "https" and not self.allow_plain and parts.hostname not in _LOOPBACK:
            raise ValueError(f"Mywellness base URL {self.base_url} is not https; correct it, or allow plain http")


@dataclass(frozen=True, slots=True)
class ForwardSettings:
    """How the queue of one facility is worked off (D-18, D-49, D-56; rulings 23). Times run on the injected clock."""

    zone: ZoneInfo
    """Whose calendar decides what "today" is for selection and memberships."""
    policy: SyncPolicy = field(default_factory=SyncPolicy)
    calls_per_second: float | None = 1.0
    """None = as fast as the answers come."""
    coalesce: timedelta = timedelta(seconds=30)
    """How long changes of a person are gathered before one update is sent (D-18)."""
    first_backoff: timedelta = timedelta(seconds=30)
    backoff_limit: timedelta = timedelta(hours=6)
    pause_limit: timedelta = timedelta(minutes=15)
    """Longest pause of a whole facility, unless Mywellness asks for a longer one."""
    lost_answers: int = 3
    """After so many lost answers in a row the facility pauses as after an outage."""
    attempts: int = 8
    retry_unknown_once: bool = False
    """Send a visit of unknown outcome once more: it may then count twice (D-49)."""
    open_end_accepted: bool = True

    def backoff(self, attempts: int) -> timedelta:
        """Return the pause after that many failed attempts."""
        return min(self.first_backoff * (1 << max(attempts - 1, 0)), self.backoff_limit)
