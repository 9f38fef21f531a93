"""The SQL tables as classes: users, tasks, conversations, messages and tool calls.

They describe the application's own database, with its names and types, and `ToolCall`, the one
table that chatdata adds. They hang on a registry of their own, so that an application which has
classes of the same names can import chatdata beside them.

Every row belongs to a user, and **every query filters by `user_id`**: a conversation that belongs
to someone else does not exist for the one who asks.
"""

import uuid
from datetime import UTC, datetime
from typing import Any, Optional

import sqlalchemy as sa
from sqlalchemy.orm import registry, validates
from sqlmodel import Field, Relationship, SQLModel

ROLES = ("user", "assistant")

# Names that a migration can drop again, and the ones the application's own revisions gave.
NAMING = {
    "ix": "ix_%(column_0_N_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class UTCDateTime(sa.types.TypeDecorator[datetime]):
    """An aware UTC time in Python, a naive UTC time on disk.

    The application stores naive UTC times, so neither the type of its columns nor a stored value
    changes, whatever the session's time zone is. A naive value in Python is refused, because
    nobody can tell which zone it means.
    """

    impl = sa.DateTime
    cache_ok = True

    def process_bind_param(
        self,
        value: datetime | None,
        dialect: sa.Dialect,  # noqa: ARG002 - SQLAlchemy's signature
    ) -> datetime | None:
        """Turn an aware time into the naive UTC time that is stored."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time needs a zone: use datetime.now(UTC), not datetime.utcnow()")
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(
        self,
        value: Any,  # noqa: ANN401 - SQLAlchemy's signature
        dialect: sa.Dialect,  # noqa: ARG002 - the same
    ) -> datetime | None:
        """Give a stored time its zone back."""
        if not isinstance(value, datetime):
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _now() -> datetime:
    return datetime.now(UTC)


def _new_id() -> str:
    return str(uuid.uuid4())


class Base(SQLModel, registry=registry(metadata=sa.MetaData(naming_convention=NAMING))):
    """What the tables share: a registry that no application's classes are on."""


class User(Base, table=True):
    """Someone who has an account, and owns everything else.

    Purpose: sign-in and ownership; exactly one of a password and an OAuth identity is set.

    Relationships: tasks, conversations, messages and tool calls name their user in `user_id`.
    Every query for any of them filters by `user_id`.
    """

    __tablename__ = "users"

    id: str = Field(default_factory=_new_id, primary_key=True)
    email: str = Field(max_length=254, unique=True, index=True)
    name: str = Field(max_length=100)
    password_hash: Optional[str] = Field(default=None, max_length=255)
    oauth_provider: Optional[str] = Field(default=None, max_length=50, index=True)
    oauth_id: Optional[str] = Field(default=None, max_length=255)
    profile_picture: Optional[str] = Field(default=None, max_length=500)
    created_at: datetime = Field(default_factory=_now, sa_type=UTCDateTime)
    updated_at: datetime = Field(default_factory=_now, sa_type=UTCDateTime)


class Task(Base, table=True):
    """Something a user wants to get done.

    Purpose: what the assistant's tools add, list, change, complete and delete.

    Relationships: belongs to one user. Every query filters by `user_id`.
    """

    __tablename__ = "tasks"

    id: Optional[int] = Field(default=None, primary_key=True)
    user_id: str = Field(foreign_key="users.id", index=True)
    title: str = Field(max_length=200)
    description: Optional[str] = Field(default=None, max_length=1000)
    completed: bool = Field(default=False)
    created_at: datetime = Field(default_factory=_now, index=True, sa_type=UTCDateTime)
    updated_at: datetime = Field(default_factory=_now, sa_type=UTCDateTime)


class Conversation(Base, table=True):
    """One chat between a user and the assistant.

    Purpose: groups messages, so that the assistant, which keeps nothing in memory, can be given
    the history of a chat again.

    Relationships: belongs to one user (`user_id`); has many messages (`messages`). Every query
    filters by `user_id`, by itself or together with `id`.
    """

    __tablename__ = "conversations"

    id: Optional[int] = Field(default=None, primary_key=True)
    user_id: str = Field(foreign_key="users.id", index=True)
    created_at: datetime = Field(default_factory=_now, sa_type=UTCDateTime)
    updated_at: datetime = Field(default_factory=_now, sa_type=UTCDateTime)

    messages: list["Message"] = Relationship(back_populates="conversation")


class Message(Base, table=True):
    """One thing that the user or the assistant said; written once, never changed.

    Purpose: the history of a chat. `tool_calls` is a JSON string that tells which tools the
    assistant called for this message, with what parameters and results; null where it called none.

    Relationships: belongs to one conversation (`conversation`) and, so that a query need not join,
    to one user (`user_id`). Every query filters by `user_id`.

    Raises:
        ValueError: on a role other than "user" and "assistant".
    """

    __tablename__ = "messages"
    __table_args__ = (
        sa.Index("ix_messages_conversation_id_created_at", "conversation_id", "created_at"),
    )

    id: Optional[int] = Field(default=None, primary_key=True)
    user_id: str = Field(foreign_key="users.id", index=True)
    conversation_id: int = Field(foreign_key="conversations.id", index=True)
    role: str = Field(max_length=20)
    # Nullable on disk, as the application's own revision made it.
    content: str = Field(sa_column=sa.Column(sa.Text))
    tool_calls: Optional[str] = Field(default=None, sa_column=sa.Column(sa.Text))
    created_at: datetime = Field(default_factory=_now, index=True, sa_type=UTCDateTime)

    conversation: Optional[Conversation] = Relationship(back_populates="messages")

    @validates("role")
    def _known_role(self, _key: str, role: str) -> str:
        # Only what is constructed is checked: rows that an application stored are read as they are.
        if role not in ROLES:
            raise ValueError(f"role is {role!r}; a message is by one of: {', '.join(ROLES)}")
        return role


class ToolCall(Base, table=True):
    """One call of a tool, as a row, so that SQL can count what `Message.tool_calls` tells in JSON.

    Purpose: filled by the backfill from `Message.tool_calls`, which stays the truth; a call that
    no message is known for has a null `message_id`.

    Relationships: belongs to one message (`message`) and goes when it goes; names its user in
    `user_id`. Every query filters by `user_id`.
    """

    __tablename__ = "tool_calls"
    __table_args__ = (sa.UniqueConstraint("message_id", "position"),)

    id: Optional[int] = Field(default=None, primary_key=True)
    # No foreign key: some applications keep their users in another database.
    user_id: str = Field(index=True)
    conversation_id: Optional[int] = Field(default=None, index=True)
    message_id: Optional[int] = Field(default=None, foreign_key="messages.id", ondelete="CASCADE")
    position: int
    native_id: Optional[str] = Field(default=None)
    tool_name: Optional[str] = Field(default=None, index=True)
    arguments: Optional[str] = Field(default=None, sa_type=sa.Text)
    arguments_status: Optional[str] = Field(default=None, max_length=20)
    result: Optional[str] = Field(default=None, sa_type=sa.Text)
    status: str = Field(max_length=20)
    error_source: Optional[str] = Field(default=None, max_length=20)
    started_at: Optional[datetime] = Field(default=None, sa_type=UTCDateTime)
    ended_at: Optional[datetime] = Field(default=None, sa_type=UTCDateTime)

    message: Optional[Message] = Relationship()
