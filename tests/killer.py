"""Kills work where it hurts: a process that forks one child per attempt.

Reads one JSON object per line: `call` (module:function), `args`, `kwargs`, `kill_at`, `watch`,
`how`. Before its `kill_at`-th point (a write or commit to a database; where `watch` is "files" a
change of a folder, where it is "statements" any statement) the child sends itself SIGKILL or, where
`how` is "terminate", has the server end its session. Answers with one JSON object per line:
`killed`, `points` (how many it came to, where it lived) and `error`. Forking from here is quick,
for everything is imported, and safe, for there are no threads.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from importlib import import_module
from pathlib import Path

import psycopg
import sqlalchemy as sa

import chatdata.migrate.runner

assert chatdata.migrate.runner

CHANGES = ("os.rename", "os.remove", "os.link")
READS = ("SELECT", "PRAGMA", "SHOW", "WITH", "BEGIN")


def count_down(kill_at, watch, how):
    seen = 0

    def point(connection=None):
        nonlocal seen
        seen += 1
        if seen != kill_at:
            return
        if how == "SIGKILL":
            os.kill(os.getpid(), signal.SIGKILL)
        info = connection.connection.driver_connection.info
        with psycopg.connect(info.dsn, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s, 5000)", (info.backend_pid,))

    def before(connection, _cursor, statement, *_rest):
        if watch == "statements" or not statement.lstrip().upper().startswith(READS):
            point(connection)

    def audit(event, args):
        # What Python does to files, whoever asks for it; engines write theirs unseen.
        if event in CHANGES or (event == "open" and args[2] & os.O_CREAT):
            point()

    if watch == "files":
        sys.addaudithook(audit)
    else:
        sa.event.listen(sa.Engine, "before_cursor_execute", before)
        sa.event.listen(sa.Engine, "commit", point)
    return lambda: seen


def attempt(request, out):
    points = count_down(request.get("kill_at"), request.get("watch"), request["how"])
    module, _, name = request["call"].partition(":")
    kwargs = request.get("kwargs", {})
    if "scripts" in kwargs:
        kwargs["scripts"] = Path(kwargs["scripts"])
    try:
        getattr(import_module(module), name)(*request["args"], **kwargs)
        answer = {"killed": False, "points": points(), "error": None}
    except Exception as error:  # noqa: BLE001 - whatever it is, the test looks at it
        answer = {"killed": False, "points": points(), "error": str(error)}
    os.write(out, json.dumps(answer).encode())


for line in sys.stdin:
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        attempt(json.loads(line), write)
        os._exit(0)
    os.close(write)
    _, status = os.waitpid(pid, 0)
    with os.fdopen(read) as answer:
        text = answer.read()
    killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    sys.stdout.write((json.dumps({"killed": True}) if killed else text) + "\n")
    sys.stdout.flush()
