"""From the text of `messages.tool_calls` to rows of `tool_calls`."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest
import sqlalchemy as sa
from databases import execute, fetch

from chatdata import migrate
from chatdata.errors import MigrationError
from chatdata.migrate import backfill, checkpoint

TEXTS = (
    None,
    json.dumps([{"tool": "add_task", "parameters": {"t": "ü"}, "result": {"success": True}}]),
    json.dumps([{"tool": "a", "arguments": {}}, {"function": {"name": "b", "arguments": "{}"}}]),
    "[]",
    "null",
    "{broken",
    json.dumps({"calls": [{"tool_name": "c", "args": {}, "result": {"success": False}}]}),
)


def fill(url, n):
    """
    Bring a database to head and write `n` messages, one in seven of them malformed.
    """
    migrate.upgrade(url)
    add(url, 1, n)


def add(url, first, n):
    texts = [TEXTS[key % len(TEXTS)] for key in range(first, first + n)]
    with migrate.connect(url) as connection, connection.begin():
        if first == 1:
            connection.exec_driver_sql(
                "INSERT INTO users (id, email, name, created_at, updated_at)"
                " VALUES ('u', 'e', 'n', '2026-01-01', '2026-01-01')"
            )
            connection.exec_driver_sql(
                "INSERT INTO conversations VALUES (1, 'u', '2026-01-01', '2026-01-01')"
            )
        connection.execute(
            sa.text(
                "INSERT INTO messages (id, user_id, conversation_id, role, tool_calls, created_at)"
                " VALUES (:id, 'u', 1, 'assistant', :text, '2026-01-01')"
            ),
            [{"id": first + place, "text": text} for place, text in enumerate(texts)],
        )


def rows(url):
    return fetch(
        url,
        "SELECT message_id, position, user_id, conversation_id, tool_name, arguments,"
        " arguments_status, result, status, error_source FROM tool_calls"
        " ORDER BY message_id, position",
    )


def counters(progress):
    return progress.state, progress.scanned, progress.written, progress.bad, progress.lag


@pytest.fixture
def url(new_database):
    """
    A database of 70 messages at head.
    """
    url = new_database()
    fill(url, 70)
    return url


def test_run(url):
    """
    Every call becomes a row, malformed messages are set aside, and a second run adds nothing.
    """
    before = backfill.status(url, "tool_calls")
    first = backfill.run(url)
    again = backfill.run(url)

    assert ("not started", 0, 0, 0, 70) == counters(before)
    assert ("done", 70, 40, 10, 0) == counters(first) == counters(again)
    assert [
        (1, 0, "u", 1, "add_task", '{"t":"ü"}', "ok", '{"success":true}', "ok", None),
        (2, 0, "u", 1, "a", "{}", "ok", None, "no_result", None),
        (2, 1, "u", 1, "b", "{}", "ok", None, "no_result", None),
        (6, 0, "u", 1, "c", "{}", "ok", '{"success":false}', "error", "explicit"),
    ] == rows(url)[:4]
    assert [(5,), (12,)] == fetch(
        url, "SELECT message_id FROM chatdata_backfill_error ORDER BY 1 LIMIT 2"
    )


def test_it_goes_on_from_the_watermark(url):
    """
    What the application has added is behind until the next run, which reads only that.
    """
    backfill.run(url)
    add(url, 71, 7)
    behind = backfill.status(url, "tool_calls")
    after = backfill.run(url)

    assert ("done", 70, 40, 10, 7) == counters(behind)
    assert ("done", 77, 44, 11, 0) == counters(after)


def test_stop_and_resume(url, monkeypatch):
    """
    A run that is stopped after a batch is paused, and the next one ends as if there was no stop.
    """
    monkeypatch.setattr(backfill, "FIRST", 20)
    stopped = backfill.run(url, should_stop=lambda: True)
    after = backfill.run(url)

    assert ("paused", 20) == (stopped.state, stopped.scanned)
    assert ("done", 70, 40, 10, 0) == counters(after)


def test_pause(url, monkeypatch):
    """
    A pause from outside stops the worker after its batch.
    """
    monkeypatch.setattr(backfill, "FIRST", 20)
    after = backfill.run(url, on_batch=lambda _progress: backfill.pause(url))

    assert ("paused", 20) == (after.state, after.scanned)


def test_too_many_bad_ones(url):
    """
    With a limit the run ends when more messages than that are malformed; what is written stays.
    """
    with pytest.raises(MigrationError, match="10 messages are malformed, more than 3"):
        backfill.run(url, max_bad=3)
    assert 40 == len(rows(url))


def test_retry_bad(url):
    """
    Messages that were set aside are read again, and leave the list when they are well.
    """
    backfill.run(url)
    execute(url, f"UPDATE messages SET tool_calls = '{TEXTS[1]}' WHERE id = 5")
    after = backfill.retry_bad(url)

    assert ("done", 70, 41, 9, 0) == counters(after)
    assert [("add_task",)] == fetch(url, "SELECT tool_name FROM tool_calls WHERE message_id = 5")


def test_deleted_messages_take_their_calls_along(url):
    """
    Calls of messages that are gone do not stay, also where foreign keys are not enforced.
    """
    backfill.run(url)
    execute(url, "DELETE FROM messages WHERE id <= 35")
    backfill.run(url)

    assert 20 == len(rows(url))


def test_without_the_table(new_database):
    """
    A database that is not at head is refused with the command to run.
    """
    url = new_database()
    migrate.upgrade(url, to="0002")

    with pytest.raises(MigrationError, match="chatdata db upgrade"):
        backfill.run(url)


def test_a_dead_worker_is_replaced(url):
    """
    A lease that its owner no longer extends is taken over.
    """
    with migrate.connect(url) as connection:
        with connection.begin():
            checkpoint.prepare(connection, "tool_calls")
            checkpoint.lease(connection, "tool_calls")
        with connection.begin():
            connection.execute(checkpoint.BACKFILL.update().values(lease_until=time.time() - 1))

    assert "done" == backfill.run(url).state


def test_a_late_commit_is_not_missed(postgres):
    """
    A message whose transaction was open during the tail pass gets its calls too.
    """
    url = postgres()
    fill(url, 14)
    with migrate.connect(url) as late:
        late.exec_driver_sql(
            "INSERT INTO messages (id, user_id, conversation_id, role, tool_calls, created_at)"
            f" VALUES (15, 'u', 1, 'assistant', '{TEXTS[1]}', '2026-01-01')"
        )
        add(url, 16, 5)

        def commit(progress):
            if progress.cursor >= 20 and late.in_transaction():
                late.commit()

        after = backfill.run(url, on_batch=commit)

    assert "done" == after.state
    assert [(15,)] == fetch(url, "SELECT message_id FROM tool_calls WHERE message_id = 15")


def survive(calm, url, killer, *, n, kills, how):
    """
    Run a backfill on one database in peace, and on another one until it was killed so often and has
    come to its end; say what the first and the second came to.
    """
    fill(calm, n)
    fill(url, n)
    expected = counters(backfill.run(calm))
    dice = random.Random(7)  # noqa: S311 - dice
    died = 0
    while died < kills:
        if backfill.status(url, "tool_calls").state == "done":
            execute(url, "DELETE FROM tool_calls", "DELETE FROM chatdata_backfill_error")
            execute(url, "DELETE FROM chatdata_backfill")
        execute_lease(url)
        answer = killer("small:run_backfill", url, kill_at=dice.randint(1, 60), how=how)
        died += answer["killed"] or answer["error"] is not None
    execute_lease(url)
    return expected, counters(backfill.run(url))


MANY_KILLS = pytest.mark.parametrize(
    ("n", "kills"), [(2_000, 12), pytest.param(20_000, 100, marks=pytest.mark.slow)]
)


@MANY_KILLS
def test_sigkill_anywhere(new_database, killer, n, kills):
    """
    However often a run is killed, the rows and counters end as those of a calm one.
    """
    calm, url = new_database(), new_database()
    expected, found = survive(calm, url, killer, n=n, kills=kills, how="SIGKILL")

    assert expected == found
    assert rows(calm) == rows(url)


@MANY_KILLS
def test_terminated_anywhere(postgres, killer, n, kills):
    """
    However often the server ends its session, the same.
    """
    calm, url = postgres(), postgres()
    expected, found = survive(calm, url, killer, n=n, kills=kills, how="terminate")

    assert expected == found
    assert rows(calm) == rows(url)


def execute_lease(url):
    """
    Let the lease of a killed worker expire, as a minute would.
    """
    with migrate.connect(url) as connection, connection.begin():
        if sa.inspect(connection).has_table("chatdata_backfill"):
            connection.execute(checkpoint.BACKFILL.update().values(lease_until=0.0))


def test_three_workers(new_database):
    """
    Three workers at once all end well, and every call is written once.
    """
    url = new_database()
    fill(url, 700)
    code = "import sys; from chatdata.migrate import backfill; backfill.run(sys.argv[1])"
    workers = [
        subprocess.Popen([sys.executable, "-c", code, url], stderr=subprocess.PIPE)
        for _ in range(3)
    ]
    errors = [worker.communicate()[1].decode() for worker in workers]

    assert [""] * 3 == errors
    assert ("done", 700, 400, 100, 0) == counters(backfill.status(url, "tool_calls"))


def test_interrupt_stops_after_the_batch(url):
    """
    Ctrl-C in the terminal ends the run after its batch, ready to be resumed.
    """
    code = (
        "import sys; from chatdata.migrate import backfill; backfill.FIRST = 10;"
        "from chatdata.cli.db import db;"
        "db(['backfill', 'run', 'tool_calls', sys.argv[1], '--yes', '--rest', '1'])"
    )
    run = subprocess.Popen([sys.executable, "-c", code, url], stdout=subprocess.PIPE)
    while backfill.status(url, "tool_calls").scanned == 0:
        time.sleep(0.05)
    os.kill(run.pid, signal.SIGINT)
    run.communicate()

    assert "paused" == backfill.status(url, "tool_calls").state
    assert ("done", 70, 40, 10, 0) == counters(backfill.run(url))
