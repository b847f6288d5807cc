"""Every table of central, in one place. Migrations bring a database here; a test compares the two.

Instants are UTC (`UTCDateTime`); dates are the site's calendar days. Codes are text with a CHECK where the set is
closed.
"""

from enum import StrEnum
from typing import Final

import sqlalchemy as sa

from central.database import UTCDateTime

METADATA: Final = sa.MetaData(
    naming_convention={
        "ix": "ix_%(column_0_N_label)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_KEY = sa.String(64)
_CODE = sa.String(32)


def _id() -> "sa.Column[int]":
    return sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=True)


def _flag(name: str, *, default: bool = False) -> "sa.Column[bool]":
    return sa.Column(name, sa.Boolean, nullable=False, default=default)


# --- what happened ----------------------------------------------------------------------------------------------------

change_event = sa.Table(
    "change_event",
    METADATA,
    _id(),
    sa.Column("aggregate", _CODE, nullable=False),
    sa.Column("key", sa.String(200), nullable=False),
    sa.Column("at", UTCDateTime, nullable=False),
)

alarm = sa.Table(
    "alarm",
    METADATA,
    _id(),
    sa.Column("kind", _CODE, nullable=False),
    sa.Column("subject", sa.String(200), nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
    sa.Column("raised_at", UTCDateTime, nullable=False),
    sa.Column("last_at", UTCDateTime, nullable=False),
    sa.Column("times", sa.Integer, nullable=False, default=1),
    sa.Column("cleared_at", UTCDateTime),
)

job = sa.Table(
    "job",
    METADATA,
    sa.Column("name", _KEY, primary_key=True),
    sa.Column("last_day", sa.Date, nullable=False),
)

api_key = sa.Table(
    "api_key",
    METADATA,
    _id(),
    sa.Column("name", sa.String(100), nullable=False),
    sa.Column("hash", sa.String(64), nullable=False, unique=True),
    sa.Column("created_at", UTCDateTime, nullable=False),
    sa.Column("revoked_at", UTCDateTime),
)

# --- sites and their rules --------------------------------------------------------------------------------------------

site = sa.Table(
    "site",
    METADATA,
    sa.Column("id", _KEY, primary_key=True),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("zone", sa.String(64), nullable=False),
    sa.Column("rollover", sa.Integer, nullable=False, default=0),
    sa.Column("charge_grace_days", sa.Integer, nullable=False, default=0),
    sa.Column("occupancy_limit", sa.Integer, nullable=False, default=0),
    sa.Column("revision", sa.BigInteger, nullable=False, default=0),
)

lane = sa.Table(
    "lane",
    METADATA,
    sa.Column("id", _KEY, primary_key=True),
    sa.Column("site", sa.ForeignKey("site.id"), nullable=False, index=True),
    sa.Column("name", sa.String(200), nullable=False),
)

reader = sa.Table(
    "reader",
    METADATA,
    sa.Column("id", _KEY, primary_key=True),
    sa.Column("site", sa.ForeignKey("site.id"), nullable=False, index=True),
    sa.Column("lane", sa.ForeignKey("lane.id"), nullable=False),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("kind", _CODE, nullable=False),
    sa.Column("barrier", _KEY, nullable=False, default=""),
    _flag("enabled", default=True),
    sa.Column("mode", _CODE, nullable=False, default="active"),
    sa.Column("min_interval", sa.Integer, nullable=False, default=0),
    sa.Column("age_limit", sa.Integer, nullable=False, default=0),
    sa.Column("exit_policy", _CODE, nullable=False, default="always_open"),
    _flag("counts_visits", default=True),
    sa.Column("pulse_ms", sa.Integer, nullable=False, default=300),
    sa.CheckConstraint("kind IN ('IN', 'OUT', 'INNER', 'IN_OUT')", name="kind"),
    sa.CheckConstraint("mode IN ('locked', 'active', 'unlocked')", name="mode"),
    sa.CheckConstraint("exit_policy IN ('always_open', 'strict')", name="exit_policy"),
)

schedule = sa.Table(
    "schedule",
    METADATA,
    sa.Column("id", _KEY, primary_key=True),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("weekly", sa.JSON, nullable=False),
    sa.Column("exceptions", sa.JSON, nullable=False),
)

entry_right = sa.Table(
    "entry_right",
    METADATA,
    sa.Column("id", _KEY, primary_key=True),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("schedule", sa.ForeignKey("schedule.id")),
)

entry_right_reader = sa.Table(
    "entry_right_reader",
    METADATA,
    sa.Column("entry_right", sa.ForeignKey("entry_right.id"), primary_key=True),
    sa.Column("reader", sa.ForeignKey("reader.id"), primary_key=True),
)

# --- people -----------------------------------------------------------------------------------------------------------

person = sa.Table(
    "person",
    METADATA,
    sa.Column("id", _KEY, primary_key=True),
    sa.Column("number", _KEY, nullable=False, unique=True),
    sa.Column("first_name", sa.String(200), nullable=False, default=""),
    sa.Column("last_name", sa.String(200), nullable=False, default=""),
    sa.Column("birth_date", sa.Date),
    sa.Column("gender", _CODE),
    sa.Column("email", sa.String(320)),
    sa.Column("phone", sa.String(64)),
    sa.Column("mobile", sa.String(64)),
    sa.Column("street", sa.String(200)),
    sa.Column("postcode", sa.String(32)),
    sa.Column("city", sa.String(100)),
    sa.Column("country", sa.String(2)),
    sa.Column("invoice_address", sa.Text),
    sa.Column("identity_number", sa.String(32), unique=True),
    sa.Column("language", sa.String(8)),
    sa.Column("home_site", sa.ForeignKey("site.id")),
    sa.Column("organisation", sa.String(200)),
    sa.Column("photo", sa.LargeBinary),
    sa.Column("photo_at", UTCDateTime),
    _flag("is_customer", default=True),
    _flag("is_staff"),
    _flag("is_company_contact"),
    sa.Column("roles", sa.JSON, nullable=False),
    _flag("allow_sync"),
    _flag("allow_activity_sync"),
    _flag("allow_photo_publication"),
    _flag("allow_mail"),
    _flag("allow_email_marketing"),
    _flag("allow_sms_marketing"),
    _flag("blocked"),
    sa.Column("blocked_until", sa.Date),
    _flag("overrides_anti_passback"),
    sa.Column("member_since_override", sa.Date),
    sa.Column("last_visit_at", UTCDateTime),
    sa.Column("last_attempt_at", UTCDateTime),
    sa.Column("created_at", UTCDateTime, nullable=False),
    sa.CheckConstraint("gender IN ('female', 'male', 'other')", name="gender"),
)

person_group = sa.Table(
    "person_group",
    METADATA,
    sa.Column("person", sa.ForeignKey("person.id"), primary_key=True),
    sa.Column("kind", _CODE, primary_key=True),
    sa.Column("name", sa.String(100), primary_key=True),
    sa.CheckConstraint("kind IN ('group', 'category')", name="kind"),
)

credential = sa.Table(
    "credential",
    METADATA,
    sa.Column("canonical", sa.String(600), primary_key=True),
    sa.Column("person", sa.ForeignKey("person.id"), nullable=False, index=True),
    sa.Column("status", _CODE, nullable=False, default="active"),
    sa.Column("assigned_at", UTCDateTime, nullable=False),
    sa.CheckConstraint("status IN ('active', 'blocked', 'returned')", name="status"),
)

# --- memberships ------------------------------------------------------------------------------------------------------

product = sa.Table(
    "product",
    METADATA,
    sa.Column("id", _KEY, primary_key=True),
    sa.Column("number", _KEY, nullable=False, unique=True),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("description", sa.Text, nullable=False, default=""),
    sa.Column("external_description", sa.Text, nullable=False, default=""),
    sa.Column("type", _CODE, nullable=False),
    sa.Column("price", sa.BigInteger, nullable=False, default=0),
    sa.Column("currency", sa.String(3), nullable=False, default="SEK"),
    sa.Column("vat_rate", sa.Integer, nullable=False, default=0),
    sa.Column("sites", sa.JSON, nullable=False),
    _flag("sold_online"),
    _flag("gives_membership", default=True),
    _flag("requires_membership"),
    sa.Column("debit_interval_months", sa.Integer, nullable=False, default=1),
    sa.Column("commitment_months", sa.Integer, nullable=False, default=0),
    sa.Column("notice_months", sa.Integer, nullable=False, default=0),
    _flag("auto_renew_default"),
    sa.Column("entry_right", sa.ForeignKey("entry_right.id")),
)

subscription = sa.Table(
    "subscription",
    METADATA,
    _id(),
    sa.Column("person", sa.ForeignKey("person.id"), nullable=False, index=True),
    sa.Column("payer", sa.ForeignKey("person.id")),
    sa.Column("product", sa.ForeignKey("product.id"), nullable=False),
    sa.Column("site", sa.ForeignKey("site.id"), nullable=False),
    sa.Column("start", sa.Date, nullable=False),
    sa.Column("bound_through", sa.Date),
    sa.Column("charged_through", sa.Date),
    _flag("auto_renew"),
    sa.Column("price", sa.BigInteger, nullable=False, default=0),
    sa.Column("sold_at", UTCDateTime),
    _flag("annulled"),
    sa.Column("overdue_from", sa.Date),
    sa.Column("terminated_on", sa.Date),
    sa.Column("termination_reason", sa.String(200)),
    sa.Column("termination_comment", sa.Text),
)

freeze = sa.Table(
    "freeze",
    METADATA,
    _id(),
    sa.Column("subscription", sa.ForeignKey("subscription.id"), nullable=False, index=True),
    sa.Column("first", sa.Date, nullable=False),
    sa.Column("last", sa.Date),
    sa.Column("reason", sa.String(200), nullable=False, default=""),
)

punch_card = sa.Table(
    "punch_card",
    METADATA,
    _id(),
    sa.Column("person", sa.ForeignKey("person.id"), nullable=False, index=True),
    sa.Column("product", sa.ForeignKey("product.id"), nullable=False),
    sa.Column("site", sa.ForeignKey("site.id"), nullable=False),
    sa.Column("punches_bought", sa.Integer, nullable=False),
    sa.Column("valid_through", sa.Date, nullable=False),
    sa.Column("price", sa.BigInteger, nullable=False, default=0),
    sa.Column("sold_at", UTCDateTime, nullable=False),
)

punch = sa.Table(
    "punch",
    METADATA,
    sa.Column("passage", sa.String(36), primary_key=True),
    sa.Column("change", sa.Integer, primary_key=True),
    sa.Column("card", sa.ForeignKey("punch_card.id"), nullable=False, index=True),
    sa.Column("epoch", sa.String(16), nullable=False),
    sa.Column("sequence", sa.BigInteger, nullable=False),
    sa.Column("at", UTCDateTime, nullable=False),
    sa.CheckConstraint("change IN (-1, 1)", name="change"),
)
# A passage takes at most one punch (-1), which comes back once (1) if nobody went through; what is left is a sum.
# `sequence` is that of the entry that says so, in the journal `epoch`: lists tell edges how far punches are counted.

access_row = sa.Table(
    "access_row",
    METADATA,
    sa.Column("site", sa.ForeignKey("site.id"), primary_key=True),
    sa.Column("kind", _CODE, primary_key=True),
    sa.Column("id", sa.String(600), primary_key=True),
    sa.Column("person", _KEY),
    sa.Column("body", sa.Text),
    sa.Column("revision", sa.BigInteger, nullable=False),
    sa.Index("ix_access_row_site_revision", "site", "revision"),
    sa.Index("ix_access_row_site_person", "site", "person"),
)

# `person` is set on the rows of a person and its credentials; `body` is null where a row is gone, for deltas to say so.

# --- edges and what they sent -----------------------------------------------------------------------------------------

edge = sa.Table(
    "edge",
    METADATA,
    sa.Column("id", _KEY, primary_key=True),
    sa.Column("site", sa.ForeignKey("site.id"), nullable=False, index=True),
    sa.Column("name", sa.String(200), nullable=False, default=""),
    sa.Column("token_hash", sa.String(64), nullable=False, unique=True),
    sa.Column("broker_hash", sa.String(200), nullable=False),
    sa.Column("created_at", UTCDateTime, nullable=False),
    sa.Column("revoked_at", UTCDateTime),
    _flag("online"),
    sa.Column("last_heard", UTCDateTime),
    sa.Column("version", sa.String(64)),
    sa.Column("boot", _KEY),
    sa.Column("revision", sa.BigInteger, nullable=False, default=0),
    sa.Column("clock", _CODE),
    sa.Column("health", sa.JSON),
)

stream = sa.Table(
    "stream",
    METADATA,
    sa.Column("edge", sa.ForeignKey("edge.id"), primary_key=True),
    sa.Column("epoch", sa.String(16), primary_key=True),
    sa.Column("through", sa.BigInteger, nullable=False, default=0),
    sa.Column("head_hash", sa.String(32), nullable=False),
)

entry = sa.Table(
    "entry",
    METADATA,
    sa.Column("edge", _KEY, primary_key=True),
    sa.Column("epoch", sa.String(16), primary_key=True),
    sa.Column("sequence", sa.BigInteger, primary_key=True),
    sa.Column("hash", sa.String(32), nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("received_at", UTCDateTime, nullable=False),
)

quarantine = sa.Table(
    "quarantine",
    METADATA,
    _id(),
    sa.Column("edge", _KEY, nullable=False),
    sa.Column("epoch", sa.String(64)),
    sa.Column("sequence", sa.BigInteger),
    sa.Column("why", sa.Text, nullable=False),
    sa.Column("raw", sa.LargeBinary, nullable=False),
    sa.Column("at", UTCDateTime, nullable=False),
)

passage = sa.Table(
    "passage",
    METADATA,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("edge", _KEY, nullable=False),
    sa.Column("epoch", sa.String(16), nullable=False),
    sa.Column("sequence", sa.BigInteger, nullable=False),
    sa.Column("site", sa.ForeignKey("site.id"), nullable=False),
    sa.Column("reader", _KEY, nullable=False),
    sa.Column("lane", _KEY, nullable=False),
    sa.Column("direction", _CODE, nullable=False),
    sa.Column("passage", _CODE, nullable=False),
    sa.Column("credential", sa.String(600), nullable=False),
    sa.Column("raw", sa.Text, nullable=False),
    sa.Column("person", _KEY),
    _flag("granted"),
    sa.Column("reason", _CODE, nullable=False),
    sa.Column("all_reasons", sa.JSON, nullable=False),
    sa.Column("entitlement", _KEY),
    sa.Column("punched", _KEY),
    _flag("counts"),
    _flag("edge_new_visit"),
    _flag("new_visit"),
    sa.Column("at", UTCDateTime, nullable=False),
    sa.Column("visit_day", sa.Date, nullable=False),
    sa.Column("received_at", UTCDateTime, nullable=False),
    sa.Column("revision", sa.BigInteger, nullable=False),
    sa.Column("clock", _CODE, nullable=False),
    _flag("offline"),
    _flag("opened_first"),
    _flag("late"),
    sa.Column("passed", sa.Boolean),
    sa.UniqueConstraint("edge", "epoch", "sequence"),
    sa.Index("ix_passage_person_site_day", "person", "site", "visit_day"),
    sa.Index("ix_passage_received", "received_at"),
)

visit = sa.Table(
    "visit",
    METADATA,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("site", sa.ForeignKey("site.id"), nullable=False),
    sa.Column("person", _KEY, nullable=False),
    sa.Column("visit_day", sa.Date, nullable=False),
    sa.Column("ordinal", sa.Integer, nullable=False),
    sa.Column("opened_at", UTCDateTime, nullable=False),
    sa.Column("closed_at", UTCDateTime),
    sa.Column("sent_as", sa.String(36)),
    sa.Index("ix_visit_person_site_day", "person", "site", "visit_day"),
)
# `visit.id` is the event id of the opening passage; `sent_as` the one under which it stands in the Mywellness queue.

# --- Mywellness -------------------------------------------------------------------------------------------------------

link = sa.Table(
    "mywellness_link",
    METADATA,
    sa.Column("person", sa.ForeignKey("person.id"), primary_key=True),
    sa.Column("state", _CODE),
    _flag("tombstone"),
    _flag("pending"),
    sa.Column("reason", _CODE),
    sa.Column("missing", sa.JSON, nullable=False),
    sa.Column("user_id", sa.String(100)),
    sa.Column("facility_user_id", sa.String(100)),
    sa.Column("permanent_token", sa.Text),
    sa.Column("person_sent", sa.JSON),
    sa.Column("person_sent_at", UTCDateTime),
    sa.Column("membership_sent", sa.JSON),
    sa.Column("last_error", sa.Text),
    sa.CheckConstraint(
        "state IN ('Enabled', 'New', 'ToUpdate', 'CreationError', 'ToDelete', 'Error', 'Suspended')", name="state"
    ),
)
# `state` is null for a tombstone: no link, and none is made by itself (§D-SM).


class QueueState(StrEnum):
    """Where a row of the queue stands (rulings 22)."""

    NEW = "new"
    SENDING = "sending"
    DONE = "done"
    RETRY = "retry"
    UNKNOWN = "unknown"
    FAILED = "failed"
    SKIPPED = "skipped"


class QueueAction(StrEnum):
    """What a row of the queue sends."""

    PERSON = "person"
    MEMBERSHIP = "membership"
    VISIT = "visit"
    DELETE = "delete"


_OPEN = sa.text("state IN ('new', 'retry', 'sending')")

queue = sa.Table(
    "mywellness_queue",
    METADATA,
    _id(),
    sa.Column("person", sa.ForeignKey("person.id"), nullable=False),
    sa.Column("action", _CODE, nullable=False),
    sa.Column("visit", sa.String(36), unique=True),
    sa.Column("visit_at", UTCDateTime),
    sa.Column("site", sa.ForeignKey("site.id")),
    sa.Column("state", _CODE, nullable=False, default=QueueState.NEW),
    sa.Column("detail", sa.Text, nullable=False, default=""),
    sa.Column("attempts", sa.Integer, nullable=False, default=0),
    sa.Column("created_at", UTCDateTime, nullable=False),
    sa.Column("due_at", UTCDateTime, nullable=False),
    sa.Column("sending_since", UTCDateTime),
    sa.Column("sender", _KEY),
    sa.Column("done_at", UTCDateTime),
    sa.CheckConstraint("state IN ('new', 'sending', 'done', 'retry', 'unknown', 'failed', 'skipped')", name="state"),
    sa.CheckConstraint("action IN ('person', 'membership', 'visit', 'delete')", name="action"),
    sa.Index("ix_mywellness_queue_person_id", "person", "id"),
    sa.Index("ix_mywellness_queue_open", "due_at", sqlite_where=_OPEN, postgresql_where=_OPEN),
    sa.Index("ix_mywellness_queue_open_person", "person", "id", sqlite_where=_OPEN, postgresql_where=_OPEN),
)
# `visit` is the event id of the passage the visit is forwarded under: unique, so it is queued once (D-49, rulings 17).
