"""The SQL tables as classes."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta, timezone

import pytest
import sqlalchemy as sa
from sqlmodel import Session, SQLModel, select

from chatdata import migrate, models
from chatdata.models import Conversation, Message, Task, ToolCall, User

NOON = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)


@pytest.fixture
def session(tmp_path):
    """
    A session on a database that the migrations made.
    """
    url = f"sqlite:///{tmp_path / 'app.db'}"
    migrate.upgrade(url)
    engine = sa.create_engine(url)
    with Session(engine) as session:
        yield session
    engine.dispose()


@pytest.fixture
def user(session):
    """
    A user who is stored.
    """
    user = User(email="ada@example.org", name="Ada")
    session.add(user)
    session.commit()
    return user


def conversation_of(session, user):
    conversation = Conversation(user_id=user.id)
    session.add(conversation)
    session.commit()
    return conversation


@pytest.mark.parametrize(
    ("model", "table", "columns"),
    [
        (
            User,
            "users",
            (
                "id email name password_hash oauth_provider oauth_id profile_picture created_at"
                " updated_at"
            ),
        ),
        (Task, "tasks", "id user_id title description completed created_at updated_at"),
        (Conversation, "conversations", "id user_id created_at updated_at"),
        (Message, "messages", "id user_id conversation_id role content tool_calls created_at"),
        (
            ToolCall,
            "tool_calls",
            (
                "id user_id conversation_id message_id position native_id tool_name arguments"
                " arguments_status result status error_source started_at ended_at"
            ),
        ),
    ],
)
def test_names(model, table, columns):
    """
    Tables and columns are named as in the application's database.
    """
    assert table == model.__tablename__
    assert columns.split() == [column.name for column in model.__table__.columns]


@pytest.mark.parametrize("model", [User, Task, Conversation, Message, ToolCall])
def test_docstrings(model):
    """
    Every class says what it is for, how it relates, and that queries filter by user.
    """
    text = " ".join(model.__doc__.split())

    assert "Purpose:" in text
    assert "Relationships:" in text
    assert "very query" in text
    assert "filters by `user_id`" in text


def test_a_conversation_and_its_messages(session, user):
    """
    Messages and conversation find each other, and times come back aware and in UTC.
    """
    conversation = conversation_of(session, user)
    session.add(Message(user_id=user.id, conversation=conversation, role="user", content="hello"))
    session.commit()
    message = session.exec(select(Message).where(Message.user_id == user.id)).one()

    assert message.conversation is conversation
    assert [message] == conversation.messages
    assert message.tool_calls is None
    assert UTC is message.created_at.tzinfo
    assert timedelta(0) <= datetime.now(UTC) - message.created_at < timedelta(minutes=1)


@pytest.mark.parametrize("role", ["user", "assistant"])
def test_roles(role):
    """
    A message is by the user or by the assistant.
    """
    assert role == Message(user_id="u", conversation_id=1, role=role, content="").role


@pytest.mark.parametrize("role", ["system", "tool", "User", "", None])
def test_other_roles_are_refused(role):
    """
    Nobody else can be given as the author of a new message.
    """
    with pytest.raises(ValueError, match="user, assistant"):
        Message(user_id="u", conversation_id=1, role=role, content="")


def test_stored_roles_are_read(session, user):
    """
    A row with another role, which some applications store, is read as it is.
    """
    conversation = conversation_of(session, user)
    session.exec(
        sa.insert(Message.__table__).values(
            user_id=user.id, conversation_id=conversation.id, role="system", created_at=NOON
        )
    )

    assert ["system"] == [message.role for message in session.exec(select(Message))]


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        pytest.param(NOON, "2026-03-01 12:00:00.250000", id="UTC"),
        pytest.param(
            NOON.astimezone(timezone(timedelta(hours=5))),
            "2026-03-01 12:00:00.250000",
            id="another zone",
        ),
    ],
)
def test_times_are_stored_as_naive_utc(session, user, given, stored):
    """
    What is on disk is naive UTC, as the application writes it.
    """
    session.add(Task(user_id=user.id, title="t", created_at=given))
    session.commit()
    raw = session.connection().exec_driver_sql("SELECT created_at FROM tasks").scalar_one()

    assert stored == raw
    assert NOON == session.exec(select(Task).where(Task.created_at == given)).one().created_at


def test_naive_times_are_refused(session, user):
    """
    A time without a zone is refused with a sentence that says what to write.
    """
    session.add(Task(user_id=user.id, title="t", created_at=NOON.replace(tzinfo=None)))

    with pytest.raises(sa.exc.StatementError, match=r"datetime\.now\(UTC\)"):
        session.commit()


@pytest.mark.parametrize(
    "text",
    ["2026-03-01 12:00:00.250000", "2026-03-01T12:00:00.250000", "2026-03-01 12:00:00"],
)
def test_rows_of_the_application_are_read(session, user, text):
    """
    Times that the application wrote are read in every form that is found in its tables.
    """
    raw = session.connection()
    raw.exec_driver_sql(
        "INSERT INTO tasks (user_id, title, completed, created_at, updated_at)"
        " VALUES (?, 't', 0, ?, ?)",
        (user.id, text, text),
    )
    task = session.exec(select(Task)).one()

    assert NOON.replace(microsecond=task.created_at.microsecond) == task.created_at


def test_a_host_application_keeps_its_own_registry():
    """
    Importing chatdata puts nothing on SQLModel's own metadata, so equal names cannot collide.
    """
    assert not {"users", "messages"} & set(SQLModel.metadata.tables)
    assert {"users", "messages"} <= set(models.Base.metadata.tables)


def test_a_database_of_the_application(samples, tmp_path):
    """
    Rows that the original application wrote come through the classes with aware times.
    """
    copy = tmp_path / "app.sqlite"
    original = samples / "app-databases" / "original_app_text_tool_parameters_result.sqlite"
    copy.write_bytes(original.read_bytes())
    engine = sa.create_engine(f"sqlite:///{copy}")
    with Session(engine) as session:
        messages = session.exec(select(Message)).all()
        users = {user.id for user in session.exec(select(User))}
    engine.dispose()
    with sqlite3.connect(copy) as raw:
        count = raw.execute("SELECT count(*) FROM messages").fetchone()[0]
    raw.close()

    assert count == len(messages)
    assert {UTC} == {message.created_at.tzinfo for message in messages}
    assert {message.user_id for message in messages} <= users
