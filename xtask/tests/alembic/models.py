"""The services' tables as a Python project would have them: SQLAlchemy models, one metadata per database."""

from sqlalchemy import (
    BigInteger, CheckConstraint, Column, Date, DateTime, Enum, ForeignKey, Identity, Index, MetaData, PrimaryKeyConstraint,
    Table, Text, UniqueConstraint, Uuid, func, text,
)
from sqlalchemy.dialects.postgresql import JSONB

NAMES = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
METADATA = {service: MetaData(naming_convention=NAMES) for service in ("arc", "cv", "user")}


def now(name, **options):
    return Column(name, DateTime(timezone=True), server_default=func.now(), nullable=False, **options)


def owner(table):
    return Column("user_id", Uuid, ForeignKey(f"{table}.user_id", ondelete="CASCADE"), nullable=False)


Table(
    "user_arc_data", METADATA["arc"],
    Column("user_id", Uuid, primary_key=True),
    Column("profile", JSONB, server_default=text("'{}'::jsonb"), nullable=False),
    Column("version", BigInteger, server_default="1", nullable=False, comment="Grows by one with every change"),
    now("created_at"), now("updated_at"),
    CheckConstraint("version > 0", name="version"),
    comment="The career profile of a user; the user itself lives in another service",
)
Table(
    "work_experiences", METADATA["arc"],
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    owner("user_arc_data"),
    Column("company", Text, nullable=False), Column("title", Text, nullable=False),
    Column("description", Text, server_default="", nullable=False),
    Column("started_on", Date, nullable=False), Column("ended_on", Date), now("created_at"),
    CheckConstraint("ended_on >= started_on", name="dates"),
    Index("ix_work_experiences_user", "user_id", text("started_on DESC")),
)
Table(
    "cv_tasks", METADATA["arc"],
    Column("id", BigInteger, primary_key=True),
    owner("user_arc_data"),
    Column("status", Enum("queued", "running", "done", "failed", name="cv_task_status"), server_default="queued", nullable=False),
    Column("input", JSONB, nullable=False), Column("output", JSONB), Column("error", Text), Column("worker", Text),
    Column("priority", BigInteger, server_default="0", nullable=False), now("created_at"),
    Column("started_at", DateTime(timezone=True)), Column("finished_at", DateTime(timezone=True)),
    Index("ix_cv_tasks_queued", text("priority DESC"), "id", postgresql_where=text("status = 'queued'")),
)

Table(
    "cvs", METADATA["cv"],
    Column("id", BigInteger, primary_key=True),
    Column("user_id", Uuid, nullable=False, index=True),
    Column("title", Text, nullable=False, comment="What the user calls this CV; never printed on it"),
    Column("full_name", Text, nullable=False),
    Column("headline", Text, server_default="", nullable=False), Column("summary", Text, server_default="", nullable=False),
    now("created_at"), now("updated_at"),
    comment="One CV; a user may keep several, one for each kind of job",
)


def part(name, *columns):
    """A section of a CV, in the order in which it is printed."""
    Table(
        name, METADATA["cv"],
        Column("id", BigInteger, primary_key=True),
        Column("cv_id", BigInteger, ForeignKey("cvs.id", ondelete="CASCADE"), nullable=False),
        Column("position", BigInteger, nullable=False),
        *columns,
        UniqueConstraint("cv_id", "position"),
        CheckConstraint("position >= 0", name="position"),
    )


part("experiences", Column("company", Text, nullable=False), Column("title", Text, nullable=False),
     Column("description", Text, server_default="", nullable=False), Column("started_on", Date, nullable=False), Column("ended_on", Date))
part("educations", Column("institution", Text, nullable=False), Column("degree", Text, nullable=False),
     Column("started_on", Date, nullable=False), Column("ended_on", Date))
part("skills", Column("name", Text, nullable=False), Column("years", BigInteger))
part("languages", Column("name", Text, nullable=False),
     Column("level", Enum("A1", "A2", "B1", "B2", "C1", "C2", "native", name="language_level"), nullable=False))
part("projects", Column("name", Text, nullable=False), Column("description", Text, server_default="", nullable=False),
     Column("url", Text), CheckConstraint("url ~ '^https?://'", name="url"))
part("certifications", Column("name", Text, nullable=False), Column("issuer", Text, nullable=False),
     Column("issued_on", Date, nullable=False), Column("expires_on", Date))

Table(
    "user_profiles", METADATA["user"],
    Column("id", Uuid, server_default=func.gen_random_uuid(), primary_key=True),
    Column("email", Text, nullable=False), Column("name", Text, nullable=False), now("created_at"), now("updated_at"),
    Index("ix_user_profiles_email", text("lower(email)"), unique=True),
)
Table(
    "topup_credits", METADATA["user"],
    Column("user_id", Uuid, ForeignKey("user_profiles.id"), nullable=False),
    Column("entry", BigInteger, nullable=False), Column("amount", BigInteger, nullable=False),
    Column("balance", BigInteger, nullable=False), Column("reason", Text, nullable=False), Column("payment_id", Text), now("created_at"),
    PrimaryKeyConstraint("user_id", "entry"), UniqueConstraint("payment_id"),
    CheckConstraint("balance >= 0", name="balance"),
)
