"""A Postgres that refuses: one clear line, no password in it, and never half of the rows."""

from __future__ import annotations

import re
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from chat_tables import as_role, execute

from chatdata.database import connect, read
from chatdata.errors import AccessError, SourceError

psycopg = pytest.importorskip("psycopg")
pytestmark = pytest.mark.postgres

AT = "2025-03-01 10:00:00.000123"
SECRET = "hunter%402"  # noqa: S105 - of a role that lives as long as this test
SIMPLE = "id INTEGER PRIMARY KEY, conversation_id INTEGER, role TEXT, content TEXT"


@pytest.fixture
def role(chat):
    """
    Make a role with some rights, and give the URL of the chat for it.
    """
    made = []

    def make(*statements, password=""):
        name = f"reader_{time.monotonic_ns()}"
        made.append(name)
        execute(chat, f"CREATE ROLE {name} LOGIN", *(text.format(name) for text in statements))
        return as_role(chat, name, password)

    yield make
    execute(chat, *(f"DROP OWNED BY {name}; DROP ROLE {name}" for name in made))


GRANT = "GRANT SELECT ON messages, conversations TO {}"


def test_rows_hidden_by_a_policy(chat, role):
    """
    Row-level security is an error and not half of the rows.
    """
    url = role(GRANT, "CREATE POLICY p ON messages USING (user_id = 'u1')")

    assert 2 == read(url).messages.collect().height

    execute(chat, "ALTER TABLE messages ENABLE ROW LEVEL SECURITY")
    with pytest.raises(AccessError, match="row-level security would hide rows"):
        read(url)
    with pytest.raises(AccessError, match="row-level security would hide rows"):
        read(url, user_id="u1")
    assert 2 == read(chat).messages.collect().height


def test_a_table_beside_the_chat_that_may_not_be_read(chat, role):
    """
    A role without rights on a second table of messages reads the chat, and is told of the table.
    """
    execute(chat, f"CREATE TABLE archived_messages ({SIMPLE})")
    chats = read(role(GRANT), until=datetime(2100, 1, 1, tzinfo=UTC))

    assert 2 == chats.messages.collect().height
    assert ["archived_messages"] == [
        finding.subject for finding in chats.findings if finding.became == "not read"
    ]


def test_a_role_that_bypasses_policies(chat, role):
    """
    A role to which no policy applies reads everything.
    """
    url = role(GRANT, "ALTER ROLE {} BYPASSRLS")
    execute(
        chat,
        "CREATE POLICY p ON messages USING (user_id = 'u1')",
        "ALTER TABLE messages ENABLE ROW LEVEL SECURITY",
    )

    assert 2 == read(url).messages.collect().height


@pytest.mark.parametrize(
    "grants",
    [(), ("GRANT SELECT ON messages TO {}",), ("GRANT SELECT (id) ON messages TO {}",)],
)
def test_missing_permission(role, grants):
    """
    A role that may not read every chat table is told so.
    """
    url = role(*grants)

    with pytest.raises(AccessError, match="may not read the chat tables; GRANT SELECT"):
        read(url)


@pytest.fixture
def guarded(chat, role):
    """
    A URL of a role whose password is asked for.
    """
    url = role(GRANT, "ALTER ROLE {} PASSWORD 'hunter@2'", password=SECRET)
    name = re.search(r"//(\w+):", url).group(1)
    with closing(psycopg.connect(chat)) as connection:
        (file,) = connection.execute("SHOW hba_file").fetchone()
    rules = Path(file).read_text(encoding="utf-8")
    Path(file).write_text(f"local all {name} scram-sha-256\n{rules}", encoding="utf-8")
    execute(chat, "SELECT pg_reload_conf()")
    yield url
    Path(file).write_text(rules, encoding="utf-8")
    execute(chat, "SELECT pg_reload_conf()")


def refused(url):
    """
    Wait until the server asks for passwords, and give what it says to a wrong one.
    """
    for _ in range(100):
        try:
            read(url)
        except SourceError as error:
            return error
        time.sleep(0.05)
    return None


@pytest.mark.parametrize("password", [":wrong", ""])
def test_a_wrong_password(guarded, password):
    """
    A wrong or missing password is an error that shows no password.
    """
    error = refused(guarded.replace(f":{SECRET}", password))

    assert isinstance(error, AccessError)
    assert "the password was refused or is missing" in str(error)
    assert "wrong" not in str(error)


def test_the_right_password_is_nowhere(guarded):
    """
    A password in the URL opens the database and shows up nowhere.
    """
    refused(guarded.replace(SECRET, "wrong"))
    chats = read(guarded)
    shown = " ".join(
        (repr(chats), chats._repr_html_(), str(chats.findings), repr(connect.target(guarded)),
         *(str(frame.collect().rows()) for frame in chats.frames.values()))
    )  # fmt: skip

    assert 2 == chats.messages.collect().height
    assert "hunter" not in shown
    assert "local/chatdata_" in shown


@pytest.mark.parametrize(
    ("url", "kind", "message"),
    [
        ("postgresql://u:hunter2@localhost:1/x", SourceError, "localhost/x: no server answered"),
        ("postgresql://u:hunter2@/x?host=/nowhere", SourceError, "local/x: no server answered"),
        ("postgres+psycopg://u:hunter2@localhost:1/x", SourceError, "no server answered"),
        ("postgresql://u:hunter2@[::1/x", SourceError, "not a usable URL"),
        ("postgresql://u:1/hunter2@localhost/x", SourceError, "not a usable URL"),
        ("postgresql://u:1#hunter2@localhost/x", SourceError, "not a usable URL"),
        ("postgresql://u:1%hunter2@localhost/x", SourceError, "not a usable URL"),
        ("postgresql://u@localhost/x?hunter2=1", SourceError, "not a usable URL"),
    ],
)
def test_unusable_urls(url, kind, message):
    """
    A URL that leads nowhere is one line without what was secret in it.
    """
    with pytest.raises(kind) as caught:
        read(url)

    assert message in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "change", [lambda url: re.sub(r"/chatdata_\d+", "/nope", url), lambda url: as_role(url, "nope")]
)
def test_unknown_names(chat, change):
    """
    A database or role that does not exist is an error that says which to check.
    """
    with pytest.raises(AccessError, match="refused the connection; check user, database"):
        read(change(chat))


def test_an_unknown_schema(chat):
    """
    A schema that does not exist is named.
    """
    with pytest.raises(SourceError, match="no schema named 'nope'; check `schema=`"):
        read(chat, schema="nope")


def test_a_locked_table(chat, monkeypatch):
    """
    A table locked for good is given up after a while.
    """
    monkeypatch.setattr(connect, "_LOCK_TIMEOUT_MS", 100)
    with closing(psycopg.connect(chat)) as connection:
        connection.execute("LOCK TABLE messages IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(AccessError, match="locked by another program"):
            read(chat)

    assert 2 == read(chat).messages.collect().height


def test_errors_do_not_depend_on_the_words_of_the_query(chat, monkeypatch):
    """
    An error is explained by what the server says, never by a value in the query it quotes.
    """
    monkeypatch.setattr(connect, "_LOCK_TIMEOUT_MS", 100)
    with closing(psycopg.connect(chat)) as connection:
        connection.execute("LOCK TABLE messages IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(AccessError, match="locked by another program"):
            read(chat, user_id="row-level security")
