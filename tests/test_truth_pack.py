"""The truth pack: readers give its numbers, which code that they share nothing with counted."""

from __future__ import annotations

import json
from collections import Counter

import pytest

import chatdata as cd
from chatdata.formats.base import formats
from chatdata.truth import cases, write_pack

SEEDS = (7, 8)
FORMATS = sorted(format_.name for format_ in formats())


@pytest.fixture(scope="module", params=SEEDS)
def pack(request, tmp_path_factory):
    """
    A pack in a folder.
    """
    folder = tmp_path_factory.mktemp(f"pack-{request.param}")
    write_pack(folder, seed=request.param)
    return folder


def counted(chats):
    """
    Count what a reader gave, in the words of `truth.json`.
    """
    chats = chats.check().collect()
    one = lambda query: chats.sql(query).item()  # noqa: E731 - a name for a short call
    roles = chats.sql("select role, count(*) from messages where kind <> 'event' group by role")
    relations = chats.sql("select relation from conversations where relation is not null")
    return {
        "conversations": one("select count(*) from conversations"),
        "messages": dict(roles.rows()),
        "tool_calls": one("select count(*) from tool_calls"),
        "tool_results": one("select count(result) from tool_calls"),
        "input_tokens": one("select sum(input_tokens)::bigint from messages"),
        "output_tokens": one("select sum(output_tokens)::bigint from messages"),
        "relations": dict(Counter(relations.to_series())),
    }


@pytest.mark.parametrize("name", FORMATS)
def test_readers_are_exact(pack, name):
    """
    Each format's folder, read as a whole, gives exactly what was written.
    """
    truth = json.loads((pack / "truth.json").read_text())[name]
    chats = cd.scan(pack / name, mapping=truth.get("mapping"))
    found = counted(chats)

    assert {key: truth[key] for key in found} == found
    assert {name, "nothing"} >= {finding.became for finding in chats.findings}


def test_every_format_is_in_the_pack():
    """
    A format that is read is written too.
    """
    assert FORMATS == sorted(case.format for case in cases())


def test_the_program_writes_it(tmp_path, program):
    """
    `chatdata truth-pack` writes the same, and says where and how much.
    """
    code, printed, _ = program("truth-pack", "-o", tmp_path / "pack")
    truth = json.loads((tmp_path / "pack" / "truth.json").read_text())

    assert (0, FORMATS) == (code, sorted(truth))
    assert str(tmp_path / "pack") in printed
    assert "claude-code" in (tmp_path / "pack" / "truth.json").read_text()
    assert f"{len(FORMATS)} formats" in (tmp_path / "pack" / "README.md").read_text()


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    """
    The pack is the same on every machine, and another with another seed.
    """
    for name, seed in (("a", 7), ("b", 7), ("c", 8)):
        write_pack(tmp_path / name, seed=seed)
    texts = {
        name: {
            path.relative_to(tmp_path / name): path.read_bytes()
            for path in (tmp_path / name).rglob("*")
            if path.is_file() and path.suffix != ".parquet"
        }
        for name in "abc"
    }

    assert texts["a"] == texts["b"]
    assert texts["a"] != texts["c"]
