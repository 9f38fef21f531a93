"""An application written against revision 0002 runs unchanged at head."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from sqlalchemy import orm

from chatdata import migrate


class Base(orm.DeclarativeBase):
    """
    The application's own registry.
    """


class Conversation(Base):
    """
    As the application declares it, with plain naive times.
    """

    __tablename__ = "conversations"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    user_id: orm.Mapped[str]
    created_at: orm.Mapped[datetime]
    updated_at: orm.Mapped[datetime]
    messages: orm.Mapped[list[Message]] = orm.relationship(back_populates="conversation")


class Message(Base):
    """
    As the application declares it.
    """

    __tablename__ = "messages"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    user_id: orm.Mapped[str]
    conversation_id: orm.Mapped[int] = orm.mapped_column(sa.ForeignKey("conversations.id"))
    role: orm.Mapped[str]
    content: orm.Mapped[str | None]
    tool_calls: orm.Mapped[str | None]
    created_at: orm.Mapped[datetime]
    conversation: orm.Mapped[Conversation] = orm.relationship(back_populates="messages")


NOON = datetime(2026, 3, 1, 12, tzinfo=UTC).replace(tzinfo=None)


def talk(session):
    conversation = Conversation(user_id="ada", created_at=NOON, updated_at=NOON)
    conversation.messages = [
        Message(user_id="ada", role=role, content=text, tool_calls=calls, created_at=NOON)
        for role, text, calls in [
            ("user", "add milk", None),
            ("assistant", "done", '[{"tool": "add_task", "parameters": {}, "result": {}}]'),
        ]
    ]
    session.add(conversation)
    session.commit()
    return conversation.id


def life_of_a_conversation(engine):
    with orm.Session(engine) as session:
        key = talk(session)
        session.expire_all()
        mine = sa.select(Message).where(Message.user_id == "ada", Message.conversation_id == key)
        history = session.scalars(mine.order_by(Message.created_at, Message.id)).all()
        seen = [(m.role, m.content, m.tool_calls is None, m.created_at) for m in history]
        foreign = session.scalars(mine.where(Message.user_id == "bob")).all()
        for message in history:
            session.delete(message)
        session.commit()
        session.delete(session.get_one(Conversation, key))
        session.commit()
        left = session.scalar(sa.select(sa.func.count()).select_from(Message))
    return seen, foreign, left


@pytest.fixture(params=itertools.product(["sqlite", "postgres"], ["0002", "head"]), ids="-".join)
def engine(request, tmp_path):
    """
    The application's own engine on a database at a revision, foreign keys enforced.
    """
    kind, revision = request.param
    url = (
        f"sqlite:///{tmp_path / 'app.db'}"
        if kind == "sqlite"
        else request.getfixturevalue("postgres")()
    )
    migrate.upgrade(url, to=revision)
    engine = sa.create_engine(url)
    if kind == "sqlite":
        sa.event.listen(engine, "connect", lambda raw, _: raw.execute("PRAGMA foreign_keys=ON"))
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO users (id, email, name, created_at, updated_at)"
            " VALUES ('ada', 'ada@example.org', 'Ada', '2026-03-01', '2026-03-01')"
        )
    yield engine
    engine.dispose()


def test_an_application_written_against_0002(engine):
    """
    Inserts, queries and deletes do the same at 0002 and at every later revision.
    """
    seen, foreign, left = life_of_a_conversation(engine)

    assert [("user", "add milk", True, NOON), ("assistant", "done", False, NOON)] == seen
    assert [] == foreign
    assert 0 == left
