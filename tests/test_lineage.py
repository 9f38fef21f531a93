"""Files read apart, by lineage, give what they give together: what a cluster rests on."""

from __future__ import annotations

import json
import random

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import chatdata as cd
from chatdata import schema
from chatdata.chats import from_rows
from chatdata.load.lineage import gathered, joined
from chatdata.load.packed import COLUMNS, FRAMES, pack, placed
from chatdata.load.read import recognised
from chatdata.load.scope import Scope
from chatdata.load.worker import Listed, Work, run


def session(dice, name, start):
    """
    Records of an agent's session: questions, and answers of which some call a tool.
    """
    records, parent = [], None
    for number in range(start, start + dice.randint(2, 6)):
        uuid = f"{name}-{number}"
        record = {
            "type": "user",
            "sessionId": name,
            "uuid": uuid,
            "parentUuid": parent,
            "timestamp": f"2025-03-01T{dice.randrange(24):02}:00:{number:02}.000Z",
            "message": {"role": "user", "content": dice.choice(["yes", "no", f"{name} {number}"])},
        }
        if number % 2:
            call = {"type": "tool_use", "id": f"toolu-{uuid}", "name": "Read", "input": {}}
            content = [{"type": "text", "text": "so"}, *([call] if dice.random() < 0.5 else [])]
            usage = {"output_tokens": dice.randrange(50)}
            record["type"] = "assistant"
            record["message"] = {"id": f"m-{uuid}", "role": "assistant", "content": content}
            record["message"]["usage"] = usage
        records.append(record)
        parent = uuid
    return records


def fork(dice, name, parent):
    """
    A session that begins with a copy of another one, in one of the ways in which agents copy.
    """
    copied = [{**record, "sessionId": name} for record in parent[: dice.randint(1, len(parent))]]
    way = dice.choice(["same ids", "stamped", "new ids", "goes on", "points at", "same call"])
    if way == "stamped":
        copied = [
            {**record, "forkedFrom": {"sessionId": parent[0]["sessionId"]}} for record in copied
        ]
    if way == "new ids":
        copied = [
            {**r, "uuid": f"{name}-c{n}", "parentUuid": f"{name}-c{n - 1}" if n else None}
            for n, r in enumerate(copied)
        ]
    own = session(dice, name, 40)
    own[0]["parentUuid"] = copied[-1]["uuid"]
    if way == "goes on":
        return [{**record, "sessionId": parent[0]["sessionId"]} for record in own]
    if way == "points at":
        return own
    if way == "same call":
        content = [{"type": "tool_use", "id": "toolu-everywhere", "name": "Read", "input": {}}]
        message = {"id": f"m-{name}", "role": "assistant", "content": content}
        own[-1] = {**own[-1], "parentUuid": None, "type": "assistant", "message": message}
        return own[-1:]
    return copied + own


def logs(dice, folder):
    """
    A folder of sessions, forks of forks, summaries of others' messages, and exports that repeat
    conversations and share ids by accident.
    """
    folder.mkdir()
    sessions = []
    for number in range(dice.randint(3, 8)):
        name = f"s{number}"
        records = (
            fork(dice, name, dice.choice(sessions))
            if sessions and dice.random() < 0.6
            else session(dice, name, 0)
        )
        sessions.append(records)
    files = [list(records) for records in sessions]
    for records in files:
        if dice.random() < 0.3:
            leaf = dice.choice(dice.choice(sessions))["uuid"]
            records.append({"type": "summary", "summary": f"about {leaf}", "leafUuid": leaf})
    dice.shuffle(files)
    for number, records in enumerate(files):
        text = "\n".join(json.dumps(record) for record in records)
        (folder / f"{number}.jsonl").write_text(text)
    for number in range(dice.randint(1, 4)):
        conversations = [
            {
                "id": dice.choice(["x", "y", "x~2", f"{number}"]),
                "conversations": [
                    {"from": "human", "value": dice.choice(["hi", "hello"])},
                    {"from": "gpt", "value": "yes"},
                ][: dice.choice([0, 2])],
            }
            for _ in range(dice.randint(1, 3))
        ]
        text = "\n".join(json.dumps(each) for each in conversations)
        (folder / f"export {number}.jsonl").write_text(text)
    (folder / "notes.txt").write_text("nothing of ours")
    return folder


def read_apart(folder, sizes):
    """
    What the workers of a cluster give: files in tasks of these sizes, and lineages that tasks
    share again, together.
    """
    documents = recognised(folder).documents
    files = [
        Listed(number, str(each.file), each.name, each.path, 0)
        for number, each in enumerate(documents)
    ]
    tasks, rest = [], files
    for size in sizes:
        tasks.append(rest[:size])
        rest = rest[size:]
    first = read_tasks([*tasks, rest])
    shared = (
        frame(first, "links")
        .group_by("name")
        .agg(pl.col("lineage").unique(), pl.col("has").any())
        .filter("has", pl.col("lineage").list.len() > 1)["lineage"]
    )
    apart = joined(shared.to_list())
    lineage_of = dict(frame(first, "documents").select("number", "lineage").rows())
    groups = [[files[number] for number in group] for group in gathered(lineage_of, apart)]
    kept = first.filter(~pl.col("lineage").is_in(list(apart)))
    return pl.concat([kept, read_tasks(groups)]), apart


def read_tasks(tasks):
    works = [Work(tuple(task), Scope(), None, alone=False) for task in tasks if task]
    batches = [pl.DataFrame(batch) for work in works for batch in run(work)]
    return pl.concat([pl.DataFrame(schema=COLUMNS), *batches])


def frame(packed, name):
    """
    The rows of one frame, with their lineage.
    """
    places = {column: place for column, (place, _) in placed(FRAMES[name]).items()}
    rows = packed.filter(pl.col("frame") == name)
    return rows.select(pl.col("lineage"), **{c: pl.col(p) for c, p in places.items()})


def assert_same(expected, packed):
    """
    Every frame holds the rows of the contract that one reading gave, and the findings are its own.
    """
    for table in schema.TABLES:
        found = frame(packed, table.name).drop("lineage").cast(table.schema)
        rows = expected.frames[table.name].collect().sort(pl.all())
        assert_frame_equal(rows, found.sort(pl.all()))
    findings = frame(packed, "findings").sort("stage", "number", "place")
    told = findings.select("origin", "subject", "became", "reason")
    assert expected.explain().rows() == told.rows()


@pytest.mark.parametrize("seed", range(40))
def test_lineages_apart_give_what_they_give_together(seed, tmp_path):
    """
    However files are parted among tasks, every row and finding is that of one reading.
    """
    dice = random.Random(seed)  # noqa: S311 - logs, not secrets
    folder = logs(dice, tmp_path / "logs")
    packed, _ = read_apart(folder, [dice.randint(0, 4) for _ in range(4)])

    assert_same(cd.scan(folder).check(), packed)


def test_only_what_is_linked_is_read_again(tmp_path):
    """
    A session that nothing shares is read once, and its lineage is its own.
    """
    dice = random.Random(1)  # noqa: S311 - logs, not secrets
    parent = session(dice, "a", 0)
    copies = {"0": parent, "1": session(dice, "alone", 0), "2": [*parent, *session(dice, "b", 40)]}
    for name, records in copies.items():
        text = "\n".join(json.dumps({**record, "sessionId": name}) for record in records)
        (tmp_path / f"{name}.jsonl").write_text(text)
    packed, apart = read_apart(tmp_path, [1, 1])

    assert {0: 0, 2: 0} == apart
    assert_same(cd.scan(tmp_path), packed)


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        pytest.param([], {}, id="nothing shared"),
        pytest.param([[1, 2], [3, 4]], {1: 1, 2: 1, 3: 3, 4: 3}, id="two pairs"),
        pytest.param([[3, 4], [1, 2], [2, 3]], {1: 1, 2: 1, 3: 1, 4: 1}, id="a bridge"),
        pytest.param([[5, 9, 7], [0, 9]], {0: 0, 5: 0, 7: 0, 9: 0}, id="the smallest names all"),
    ],
)
def test_groups_that_overlap_are_joined(groups, expected):
    """
    Groups that overlap become one, named by its smallest member.
    """
    assert expected == joined(groups)


def test_packed_frames_come_back():
    """
    Every column of every frame comes out as it went in, whatever else is packed beside it.
    """
    log = cd.sample(20)
    odd = from_rows(
        messages=[
            {
                "message_id": "m",
                "conversation_id": "c",
                "position": 2**32 - 1,
                "is_main_path": False,
                "role": "user",
                "kind": "chat",
                "content": "\0 naïve 👋🏽",
            }
        ]
    )
    for chats in (log, odd):
        batches = [
            pl.DataFrame(batch)
            for name, rows in chats.frames.items()
            for batch in pack(name, rows.collect().with_columns(lineage=pl.lit(7)))
        ]
        packed = pl.concat([pl.DataFrame(schema=COLUMNS), *batches])

        assert {7} >= set(packed["lineage"])
        for table in schema.TABLES:
            found = frame(packed, table.name).drop("lineage").cast(table.schema)
            assert_frame_equal(chats.frames[table.name].collect(), found)


def test_large_texts_are_packed_in_several_batches():
    """
    A batch stays small enough to be sent, however long the texts are.
    """
    message = {"conversation_id": "c", "is_main_path": True, "role": "user", "kind": "chat"}
    rows = [
        {**message, "message_id": f"{n}", "position": n, "content": "x" * (1 << 20)}
        for n in range(100)
    ]
    held = from_rows(messages=rows).messages.collect().with_columns(lineage=pl.lit(0))
    batches = list(pack("messages", held))

    assert 3 == len(batches)
    assert 100 == sum(batch.num_rows for batch in batches)
