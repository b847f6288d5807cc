"""Make all tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go there."""
    op.create_table(
        "alarm",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("subject", sa.String(length=200), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("raised_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.Column("cleared_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alarm")),
    )
    op.create_table(
        "api_key",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_key")),
        sa.UniqueConstraint("hash", name=op.f("uq_api_key_hash")),
    )
    op.create_table(
        "change_event",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("aggregate", sa.String(length=32), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_change_event")),
    )
    op.create_table(
        "entry",
        sa.Column("edge", sa.String(length=64), nullable=False),
        sa.Column("epoch", sa.String(length=16), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.String(length=32), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("edge", "epoch", "sequence", name=op.f("pk_entry")),
    )
    op.create_table(
        "job",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("last_day", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_job")),
    )
    op.create_table(
        "quarantine",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("edge", sa.String(length=64), nullable=False),
        sa.Column("epoch", sa.String(length=64), nullable=True),
        sa.Column("sequence", sa.BigInteger(), nullable=True),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_quarantine")),
    )
    op.create_table(
        "schedule",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("weekly", sa.JSON(), nullable=False),
        sa.Column("exceptions", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_schedule")),
    )
    op.create_table(
        "site",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("zone", sa.String(length=64), nullable=False),
        sa.Column("rollover", sa.Integer(), nullable=False),
        sa.Column("charge_grace_days", sa.Integer(), nullable=False),
        sa.Column("occupancy_limit", sa.Integer(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_site")),
    )
    op.create_table(
        "access_row",
        sa.Column("site", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("id", sa.String(length=600), nullable=False),
        sa.Column("person", sa.String(length=64), nullable=True),
        sa.Column("body", sa.Text(), nullable=True),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["site"], ["site.id"], name=op.f("fk_access_row_site_site")),
        sa.PrimaryKeyConstraint("site", "kind", "id", name=op.f("pk_access_row")),
    )
    op.create_index("ix_access_row_site_person", "access_row", ["site", "person"], unique=False)
    op.create_index("ix_access_row_site_revision", "access_row", ["site", "revision"], unique=False)
    op.create_table(
        "edge",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("site", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("broker_hash", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("online", sa.Boolean(), nullable=False),
        sa.Column("last_heard", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.String(length=64), nullable=True),
        sa.Column("boot", sa.String(length=64), nullable=True),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("clock", sa.String(length=32), nullable=True),
        sa.Column("health", sa.JSON(), nullable=True),
        sa.ForeignKeyConstraint(["site"], ["site.id"], name=op.f("fk_edge_site_site")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_edge")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_edge_token_hash")),
    )
    op.create_index(op.f("ix_edge_site"), "edge", ["site"], unique=False)
    op.create_table(
        "entry_right",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("schedule", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(["schedule"], ["schedule.id"], name=op.f("fk_entry_right_schedule_schedule")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_entry_right")),
    )
    op.create_table(
        "lane",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("site", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(["site"], ["site.id"], name=op.f("fk_lane_site_site")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lane")),
    )
    op.create_index(op.f("ix_lane_site"), "lane", ["site"], unique=False)
    op.create_table(
        "passage",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("edge", sa.String(length=64), nullable=False),
        sa.Column("epoch", sa.String(length=16), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("site", sa.String(length=64), nullable=False),
        sa.Column("reader", sa.String(length=64), nullable=False),
        sa.Column("lane", sa.String(length=64), nullable=False),
        sa.Column("direction", sa.String(length=32), nullable=False),
        sa.Column("passage", sa.String(length=32), nullable=False),
        sa.Column("credential", sa.String(length=600), nullable=False),
        sa.Column("raw", sa.Text(), nullable=False),
        sa.Column("person", sa.String(length=64), nullable=True),
        sa.Column("granted", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=False),
        sa.Column("all_reasons", sa.JSON(), nullable=False),
        sa.Column("entitlement", sa.String(length=64), nullable=True),
        sa.Column("punched", sa.String(length=64), nullable=True),
        sa.Column("counts", sa.Boolean(), nullable=False),
        sa.Column("edge_new_visit", sa.Boolean(), nullable=False),
        sa.Column("new_visit", sa.Boolean(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("visit_day", sa.Date(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("clock", sa.String(length=32), nullable=False),
        sa.Column("offline", sa.Boolean(), nullable=False),
        sa.Column("opened_first", sa.Boolean(), nullable=False),
        sa.Column("late", sa.Boolean(), nullable=False),
        sa.Column("passed", sa.Boolean(), nullable=True),
        sa.ForeignKeyConstraint(["site"], ["site.id"], name=op.f("fk_passage_site_site")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_passage")),
        sa.UniqueConstraint("edge", "epoch", "sequence", name=op.f("uq_passage_edge_epoch_sequence")),
    )
    op.create_index("ix_passage_person_site_day", "passage", ["person", "site", "visit_day"], unique=False)
    op.create_index("ix_passage_received", "passage", ["received_at"], unique=False)
    op.create_table(
        "person",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("number", sa.String(length=64), nullable=False),
        sa.Column("first_name", sa.String(length=200), nullable=False),
        sa.Column("last_name", sa.String(length=200), nullable=False),
        sa.Column("birth_date", sa.Date(), nullable=True),
        sa.Column("gender", sa.String(length=32), nullable=True),
        sa.Column("email", sa.String(length=320), nullable=True),
        sa.Column("phone", sa.String(length=64), nullable=True),
        sa.Column("mobile", sa.String(length=64), nullable=True),
        sa.Column("street", sa.String(length=200), nullable=True),
        sa.Column("postcode", sa.String(length=32), nullable=True),
        sa.Column("city", sa.String(length=100), nullable=True),
        sa.Column("country", sa.String(length=2), nullable=True),
        sa.Column("invoice_address", sa.Text(), nullable=True),
        sa.Column("identity_number", sa.String(length=32), nullable=True),
        sa.Column("language", sa.String(length=8), nullable=True),
        sa.Column("home_site", sa.String(length=64), nullable=True),
        sa.Column("organisation", sa.String(length=200), nullable=True),
        sa.Column("photo", sa.LargeBinary(), nullable=True),
        sa.Column("photo_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("is_customer", sa.Boolean(), nullable=False),
        sa.Column("is_staff", sa.Boolean(), nullable=False),
        sa.Column("is_company_contact", sa.Boolean(), nullable=False),
        sa.Column("roles", sa.JSON(), nullable=False),
        sa.Column("allow_sync", sa.Boolean(), nullable=False),
        sa.Column("allow_activity_sync", sa.Boolean(), nullable=False),
        sa.Column("allow_photo_publication", sa.Boolean(), nullable=False),
        sa.Column("allow_mail", sa.Boolean(), nullable=False),
        sa.Column("allow_email_marketing", sa.Boolean(), nullable=False),
        sa.Column("allow_sms_marketing", sa.Boolean(), nullable=False),
        sa.Column("blocked", sa.Boolean(), nullable=False),
        sa.Column("blocked_until", sa.Date(), nullable=True),
        sa.Column("overrides_anti_passback", sa.Boolean(), nullable=False),
        sa.Column("member_since_override", sa.Date(), nullable=True),
        sa.Column("last_visit_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("gender IN ('female', 'male', 'other')", name=op.f("ck_person_gender")),
        sa.ForeignKeyConstraint(["home_site"], ["site.id"], name=op.f("fk_person_home_site_site")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_person")),
        sa.UniqueConstraint("identity_number", name=op.f("uq_person_identity_number")),
        sa.UniqueConstraint("number", name=op.f("uq_person_number")),
    )
    op.create_table(
        "visit",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("site", sa.String(length=64), nullable=False),
        sa.Column("person", sa.String(length=64), nullable=False),
        sa.Column("visit_day", sa.Date(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sent_as", sa.String(length=36), nullable=True),
        sa.ForeignKeyConstraint(["site"], ["site.id"], name=op.f("fk_visit_site_site")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_visit")),
    )
    op.create_index("ix_visit_person_site_day", "visit", ["person", "site", "visit_day"], unique=False)
    op.create_table(
        "credential",
        sa.Column("canonical", sa.String(length=600), nullable=False),
        sa.Column("person", sa.String(length=64), nullable=False),
        sa.Column("status", sa.String(length=32), nullable=False),
        sa.Column("assigned_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("status IN ('active', 'blocked', 'returned')", name=op.f("ck_credential_status")),
        sa.ForeignKeyConstraint(["person"], ["person.id"], name=op.f("fk_credential_person_person")),
        sa.PrimaryKeyConstraint("canonical", name=op.f("pk_credential")),
    )
    op.create_index(op.f("ix_credential_person"), "credential", ["person"], unique=False)
    op.create_table(
        "mywellness_link",
        sa.Column("person", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=True),
        sa.Column("tombstone", sa.Boolean(), nullable=False),
        sa.Column("pending", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=True),
        sa.Column("missing", sa.JSON(), nullable=False),
        sa.Column("user_id", sa.String(length=100), nullable=True),
        sa.Column("facility_user_id", sa.String(length=100), nullable=True),
        sa.Column("permanent_token", sa.Text(), nullable=True),
        sa.Column("person_sent", sa.JSON(), nullable=True),
        sa.Column("person_sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("membership_sent", sa.JSON(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "state IN ('Enabled', 'New', 'ToUpdate', 'CreationError', 'ToDelete', 'Error', 'Suspended')",
            name=op.f("ck_mywellness_link_state"),
        ),
        sa.ForeignKeyConstraint(["person"], ["person.id"], name=op.f("fk_mywellness_link_person_person")),
        sa.PrimaryKeyConstraint("person", name=op.f("pk_mywellness_link")),
    )
    op.create_table(
        "mywellness_queue",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("person", sa.String(length=64), nullable=False),
        sa.Column("action", sa.String(length=32), nullable=False),
        sa.Column("visit", sa.String(length=36), nullable=True),
        sa.Column("visit_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("site", sa.String(length=64), nullable=True),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sending_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sender", sa.String(length=64), nullable=True),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "action IN ('person', 'membership', 'visit', 'delete')", name=op.f("ck_mywellness_queue_action")
        ),
        sa.CheckConstraint(
            "state IN ('new', 'sending', 'done', 'retry', 'unknown', 'failed', 'skipped')",
            name=op.f("ck_mywellness_queue_state"),
        ),
        sa.ForeignKeyConstraint(["person"], ["person.id"], name=op.f("fk_mywellness_queue_person_person")),
        sa.ForeignKeyConstraint(["site"], ["site.id"], name=op.f("fk_mywellness_queue_site_site")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mywellness_queue")),
        sa.UniqueConstraint("visit", name=op.f("uq_mywellness_queue_visit")),
    )
    op.create_index(
        "ix_mywellness_queue_open",
        "mywellness_queue",
        ["due_at"],
        unique=False,
        sqlite_where=sa.text("state IN ('new', 'retry', 'sending')"),
        postgresql_where=sa.text("state IN ('new', 'retry', 'sending')"),
    )
    op.create_index(
        "ix_mywellness_queue_open_person",
        "mywellness_queue",
        ["person", "id"],
        unique=False,
        sqlite_where=sa.text("state IN ('new', 'retry', 'sending')"),
        postgresql_where=sa.text("state IN ('new', 'retry', 'sending')"),
    )
    op.create_index("ix_mywellness_queue_person_id", "mywellness_queue", ["person", "id"], unique=False)
    op.create_table(
        "person_group",
        sa.Column("person", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.CheckConstraint("kind IN ('group', 'category')", name=op.f("ck_person_group_kind")),
        sa.ForeignKeyConstraint(["person"], ["person.id"], name=op.f("fk_person_group_person_person")),
        sa.PrimaryKeyConstraint("person", "kind", "name", name=op.f("pk_person_group")),
    )
    op.create_table(
        "product",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("number", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("external_description", sa.Text(), nullable=False),
        sa.Column("type", sa.String(length=32), nullable=False),
        sa.Column("price", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("vat_rate", sa.Integer(), nullable=False),
        sa.Column("sites", sa.JSON(), nullable=False),
        sa.Column("sold_online", sa.Boolean(), nullable=False),
        sa.Column("gives_membership", sa.Boolean(), nullable=False),
        sa.Column("requires_membership", sa.Boolean(), nullable=False),
        sa.Column("debit_interval_months", sa.Integer(), nullable=False),
        sa.Column("commitment_months", sa.Integer(), nullable=False),
        sa.Column("notice_months", sa.Integer(), nullable=False),
        sa.Column("auto_renew_default", sa.Boolean(), nullable=False),
        sa.Column("entry_right", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(["entry_right"], ["entry_right.id"], name=op.f("fk_product_entry_right_entry_right")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_product")),
        sa.UniqueConstraint("number", name=op.f("uq_product_number")),
    )
    op.create_table(
        "reader",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("site", sa.String(length=64), nullable=False),
        sa.Column("lane", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("barrier", sa.String(length=64), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("mode", sa.String(length=32), nullable=False),
        sa.Column("min_interval", sa.Integer(), nullable=False),
        sa.Column("age_limit", sa.Integer(), nullable=False),
        sa.Column("exit_policy", sa.String(length=32), nullable=False),
        sa.Column("counts_visits", sa.Boolean(), nullable=False),
        sa.Column("pulse_ms", sa.Integer(), nullable=False),
        sa.CheckConstraint("exit_policy IN ('always_open', 'strict')", name=op.f("ck_reader_exit_policy")),
        sa.CheckConstraint("kind IN ('IN', 'OUT', 'INNER', 'IN_OUT')", name=op.f("ck_reader_kind")),
        sa.CheckConstraint("mode IN ('locked', 'active', 'unlocked')", name=op.f("ck_reader_mode")),
        sa.ForeignKeyConstraint(["lane"], ["lane.id"], name=op.f("fk_reader_lane_lane")),
        sa.ForeignKeyConstraint(["site"], ["site.id"], name=op.f("fk_reader_site_site")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reader")),
    )
    op.create_index(op.f("ix_reader_site"), "reader", ["site"], unique=False)
    op.create_table(
        "stream",
        sa.Column("edge", sa.String(length=64), nullable=False),
        sa.Column("epoch", sa.String(length=16), nullable=False),
        sa.Column("through", sa.BigInteger(), nullable=False),
        sa.Column("head_hash", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(["edge"], ["edge.id"], name=op.f("fk_stream_edge_edge")),
        sa.PrimaryKeyConstraint("edge", "epoch", name=op.f("pk_stream")),
    )
    op.create_table(
        "entry_right_reader",
        sa.Column("entry_right", sa.String(length=64), nullable=False),
        sa.Column("reader", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["entry_right"], ["entry_right.id"], name=op.f("fk_entry_right_reader_entry_right_entry_right")
        ),
        sa.ForeignKeyConstraint(["reader"], ["reader.id"], name=op.f("fk_entry_right_reader_reader_reader")),
        sa.PrimaryKeyConstraint("entry_right", "reader", name=op.f("pk_entry_right_reader")),
    )
    op.create_table(
        "subscription",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("person", sa.String(length=64), nullable=False),
        sa.Column("payer", sa.String(length=64), nullable=True),
        sa.Column("product", sa.String(length=64), nullable=False),
        sa.Column("site", sa.String(length=64), nullable=False),
        sa.Column("start", sa.Date(), nullable=False),
        sa.Column("bound_through", sa.Date(), nullable=True),
        sa.Column("charged_through", sa.Date(), nullable=True),
        sa.Column("auto_renew", sa.Boolean(), nullable=False),
        sa.Column("price", sa.BigInteger(), nullable=False),
        sa.Column("sold_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("annulled", sa.Boolean(), nullable=False),
        sa.Column("overdue_from", sa.Date(), nullable=True),
        sa.Column("terminated_on", sa.Date(), nullable=True),
        sa.Column("termination_reason", sa.String(length=200), nullable=True),
        sa.Column("termination_comment", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["payer"], ["person.id"], name=op.f("fk_subscription_payer_person")),
        sa.ForeignKeyConstraint(["person"], ["person.id"], name=op.f("fk_subscription_person_person")),
        sa.ForeignKeyConstraint(["product"], ["product.id"], name=op.f("fk_subscription_product_product")),
        sa.ForeignKeyConstraint(["site"], ["site.id"], name=op.f("fk_subscription_site_site")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subscription")),
    )
    op.create_index(op.f("ix_subscription_person"), "subscription", ["person"], unique=False)
    op.create_table(
        "freeze",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("subscription", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("first", sa.Date(), nullable=False),
        sa.Column("last", sa.Date(), nullable=True),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(
            ["subscription"], ["subscription.id"], name=op.f("fk_freeze_subscription_subscription")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_freeze")),
    )
    op.create_index(op.f("ix_freeze_subscription"), "freeze", ["subscription"], unique=False)
    op.create_table(
        "punch_card",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("person", sa.String(length=64), nullable=False),
        sa.Column("product", sa.String(length=64), nullable=False),
        sa.Column("site", sa.String(length=64), nullable=False),
        sa.Column("punches_bought", sa.Integer(), nullable=False),
        sa.Column("valid_through", sa.Date(), nullable=False),
        sa.Column("price", sa.BigInteger(), nullable=False),
        sa.Column("sold_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["person"], ["person.id"], name=op.f("fk_punch_card_person_person")),
        sa.ForeignKeyConstraint(["product"], ["product.id"], name=op.f("fk_punch_card_product_product")),
        sa.ForeignKeyConstraint(["site"], ["site.id"], name=op.f("fk_punch_card_site_site")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_punch_card")),
    )
    op.create_index(op.f("ix_punch_card_person"), "punch_card", ["person"], unique=False)
    op.create_table(
        "punch",
        sa.Column("passage", sa.String(length=36), nullable=False),
        sa.Column("change", sa.Integer(), nullable=False),
        sa.Column("card", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("epoch", sa.String(length=16), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("change IN (-1, 1)", name=op.f("ck_punch_change")),
        sa.ForeignKeyConstraint(["card"], ["punch_card.id"], name=op.f("fk_punch_card_punch_card")),
        sa.PrimaryKeyConstraint("passage", "change", name=op.f("pk_punch")),
    )
    op.create_index(op.f("ix_punch_card"), "punch", ["card"], unique=False)


def downgrade() -> None:
    """Go back."""
    op.drop_index(op.f("ix_punch_card"), table_name="punch")
    op.drop_table("punch")
    op.drop_index(op.f("ix_punch_card_person"), table_name="punch_card")
    op.drop_table("punch_card")
    op.drop_index(op.f("ix_freeze_subscription"), table_name="freeze")
    op.drop_table("freeze")
    op.drop_index(op.f("ix_subscription_person"), table_name="subscription")
    op.drop_table("subscription")
    op.drop_table("entry_right_reader")
    op.drop_table("stream")
    op.drop_index(op.f("ix_reader_site"), table_name="reader")
    op.drop_table("reader")
    op.drop_table("product")
    op.drop_table("person_group")
    op.drop_index("ix_mywellness_queue_person_id", table_name="mywellness_queue")
    op.drop_index(
        "ix_mywellness_queue_open_person",
        table_name="mywellness_queue",
        sqlite_where=sa.text("state IN ('new', 'retry', 'sending')"),
        postgresql_where=sa.text("state IN ('new', 'retry', 'sending')"),
    )
    op.drop_index(
        "ix_mywellness_queue_open",
        table_name="mywellness_queue",
        sqlite_where=sa.text("state IN ('new', 'retry', 'sending')"),
        postgresql_where=sa.text("state IN ('new', 'retry', 'sending')"),
    )
    op.drop_table("mywellness_queue")
    op.drop_table("mywellness_link")
    op.drop_index(op.f("ix_credential_person"), table_name="credential")
    op.drop_table("credential")
    op.drop_index("ix_visit_person_site_day", table_name="visit")
    op.drop_table("visit")
    op.drop_table("person")
    op.drop_index("ix_passage_received", table_name="passage")
    op.drop_index("ix_passage_person_site_day", table_name="passage")
    op.drop_table("passage")
    op.drop_index(op.f("ix_lane_site"), table_name="lane")
    op.drop_table("lane")
    op.drop_table("entry_right")
    op.drop_index(op.f("ix_edge_site"), table_name="edge")
    op.drop_table("edge")
    op.drop_index("ix_access_row_site_revision", table_name="access_row")
    op.drop_index("ix_access_row_site_person", table_name="access_row")
    op.drop_table("access_row")
    op.drop_table("site")
    op.drop_table("schedule")
    op.drop_table("quarantine")
    op.drop_table("job")
    op.drop_table("entry")
    op.drop_table("change_event")
    op.drop_table("api_key")
    op.drop_table("alarm")
