"""The clients of an application, in a process of their own, and what they wait for.

Started with the URL of a database that `test_migrate_large.million` filled, and how many messages
it has. Each line on standard input names the phase that begins; at the end one JSON object tells,
for each phase, the longest wait of a reader and of a writer as the client saw it (`read`, `write`),
what the server was doing for them meanwhile, and the longest wait for a lock that the migration
held or stood in line for (`read_lock`, `write_lock`). The migration is whoever calls itself
"chatdata": only locks can be blamed on it with certainty, for on a busy machine clients also wait
for a core and for the disk.
"""

from __future__ import annotations

import json
import random
import secrets
import sys
import threading
import time
from collections import Counter, deque

import psycopg

READERS, WRITERS, RATE = 6, 2, 100
LONG_S = 4.0
AHEAD = 2_000

READS = (
    "SELECT content FROM messages WHERE id = %(id)s",
    "SELECT content FROM messages WHERE conversation_id = 1 AND id > %(id)s ORDER BY id LIMIT 5",
)
INSERT = (
    "INSERT INTO messages (user_id, conversation_id, role, content, created_at)"
    " VALUES ('u', 1, 'user', %(text)s, now())"
)
WRITES = (
    *[INSERT] * 7,
    *["UPDATE messages SET content = %(text)s WHERE id = %(id)s"] * 2,
    "DELETE FROM messages WHERE id = %(id)s",
)
ACTIVITY = """
    SELECT a.pid, coalesce(a.wait_event_type || ':' || a.wait_event, 'running'), a.state,
           extract(epoch FROM clock_timestamp() - l.waitstart),
           EXISTS (SELECT 1 FROM pg_stat_activity b WHERE b.application_name = 'chatdata'
                   AND b.pid = ANY (pg_blocking_pids(l.pid)))
    FROM pg_stat_activity a LEFT JOIN pg_locks l ON l.pid = a.pid AND NOT l.granted
    WHERE a.application_name IN ('read', 'write') AND a.datname = current_database()
"""
THERE = "SELECT to_regclass('chatdata_backfill')"
CURSOR = "SELECT cursor FROM chatdata_backfill WHERE state = 'running'"


class Probe:
    """
    Readers, writers at a steady rate, one long transaction after the other, and an observer.
    """

    def __init__(self, url, n):
        self.url, self.n, self.stopped = url, n, threading.Event()
        self.phases, self.kinds, self.seen = {}, {}, deque(maxlen=4_000)
        self.filled = None
        self.dice = random.Random(7)  # noqa: S311 - dice
        self.begin("warm up")

    def begin(self, name):
        self.phase = self.phases.setdefault(
            name,
            {"read": 0.0, "write": 0.0, "read_lock": 0.0, "write_lock": 0.0, "n": Counter()},
        )

    def client(self, kind):
        statements = READS if kind == "read" else WRITES
        with psycopg.connect(self.url, autocommit=True, application_name=kind) as connection:
            pid = connection.info.backend_pid
            self.kinds[pid] = kind
            while not self.stopped.is_set():
                values = {"id": self.place(), "text": secrets.token_hex(150)}
                statement, phase = self.dice.choice(statements), self.phase
                began = time.monotonic()
                connection.execute(statement, values)
                spent = time.monotonic() - began
                phase["n"][kind] += 1
                if spent > phase[kind]:
                    phase[kind] = spent
                    phase[f"{kind}_waits"] = self.waits(pid, began, statement)
                pause = 1 / RATE - spent if kind == "write" else 0.01
                time.sleep(max(pause, 0))

    def place(self):
        """
        A message anywhere; every other time one that the backfill has before it just then.
        """
        if self.filled is None or self.dice.random() < 0.5:
            return self.dice.randint(1, self.n)
        return self.filled + self.dice.randint(1, AHEAD)

    def waits(self, pid, began, statement):
        """
        What the server said a client was doing since `began`, as parts of the samples.
        """
        found = Counter(what for at, who, what in [*self.seen] if who == pid and at >= began)
        return {statement.split()[0]: dict(found.most_common(4))}

    def long(self):
        with psycopg.connect(self.url, application_name="long") as connection:
            while not self.stopped.is_set():
                connection.execute("SELECT count(*) FROM messages WHERE id < 10")
                connection.execute(INSERT, {"text": secrets.token_hex(150)})
                self.stopped.wait(LONG_S)
                connection.commit()
                self.stopped.wait(0.5)

    def observe(self):
        with psycopg.connect(self.url, autocommit=True) as connection:
            while not self.stopped.is_set():
                now, phase = time.monotonic(), self.phase
                for pid, event, state, waited, ours in connection.execute(ACTIVITY):
                    kind = self.kinds.get(pid)
                    self.seen.append((now, pid, "not asked" if state == "idle" else event))
                    if kind and ours and waited:
                        key = f"{kind}_lock"
                        phase[key] = max(phase[key], float(waited))
                (there,) = connection.execute(THERE).fetchone()
                row = connection.execute(CURSOR).fetchone() if there else None
                self.filled = row and row[0]
                time.sleep(0.005)

    def run(self):
        targets = [(self.client, ("read",))] * READERS + [(self.client, ("write",))] * WRITERS
        targets += [(self.long, ()), (self.observe, ())]
        threads = [threading.Thread(target=target, args=args) for target, args in targets]
        for thread in threads:
            thread.start()
        for line in sys.stdin:
            self.begin(line.strip())
        self.stopped.set()
        for thread in threads:
            thread.join()
        return self.phases


if __name__ == "__main__":
    json.dump(Probe(sys.argv[1], int(sys.argv[2])).run(), sys.stdout)
