"""Parquet files of conversations, with columns that nobody expects and with damage."""

from __future__ import annotations

import json
import random
from contextlib import suppress
from pathlib import Path

import polars as pl
import pytest

import chatdata as cd
from chatdata.errors import SourceError

DATA = Path(__file__).parent / "data"
NAMES = ("lmsys-chat", "wildchat")
PLAIN = pl.DataFrame(
    {"conversation_id": ["a"], "conversation": [[{"role": "user", "content": "Hi"}]]}
)


def scanned(folder, frame):
    path = folder / "rows.parquet"
    frame.write_parquet(path)
    return cd.scan(path, format="lmsys-chat").check().collect()


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        pytest.param("", 1, 1, id="no name"),
        pytest.param("_id", "mongo", "mongo", id="a name that begins as private ones do"),
        pytest.param("_bundle", 7, 7, id="a name of ours"),
        pytest.param("image", b"12345", {"n_bytes": 5}, id="bytes"),
        pytest.param("image", None, None, id="nothing"),
        pytest.param(
            "images",
            [{"bytes": b"123", "path": "a.png"}],
            [{"bytes": {"n_bytes": 3}, "path": "a.png"}],
            id="bytes in a list of structs",
        ),
    ],
)
def test_any_other_column_goes_to_extra(tmp_path, name, value, expected):
    """
    A column that no frame has is kept, whatever its name and type; of bytes their size.
    """
    chats = scanned(tmp_path, PLAIN.with_columns(pl.Series(name, [value])))

    assert ["Hi"] == chats.messages.collect()["content"].to_list()
    assert {name: expected} == json.loads(chats.conversations.collect()["extra"].item())


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"model": [["a", "list"]]}, id="a list of models"),
        pytest.param({"conversation": ["text"]}, id="text for turns"),
        pytest.param({"conversation": [[["x"]]]}, id="lists for turns"),
        pytest.param({"conversation": [[{"role": "user"}]]}, id="turns without content"),
        pytest.param(
            {"conversation": [[{"role": [1], "content": "x"}]]}, id="roles that are lists"
        ),
    ],
)
def test_columns_of_a_wrong_type_are_a_reject(tmp_path, changed):
    """
    A column that is not what the format promises makes a reject with a reason, no error.
    """
    chats = scanned(tmp_path, PLAIN.with_columns(**{n: pl.Series(v) for n, v in changed.items()}))
    reasons = chats.rejects.collect()["reason"].to_list()

    assert 0 == chats.messages.collect().height
    assert ["the Parquet file is damaged, or a column is not what the format promises"] == reasons


@pytest.mark.parametrize("name", NAMES)
def test_damage(tmp_path, name):
    """
    Cut off or changed anywhere, a file raises nothing but that it cannot be opened, and adds up.
    """
    dice = random.Random(5)  # noqa: S311 - seeded
    path = tmp_path / "rows.parquet"
    pl.read_ndjson(DATA / name / "rows.jsonl").write_parquet(path)
    whole = path.read_bytes()
    for _ in range(150):
        place = dice.randrange(len(whole))
        changed = whole[:place] + bytes([dice.randrange(256)]) + whole[place + 1 :]
        path.write_bytes(dice.choice([changed, changed, whole[:place]]))
        with suppress(SourceError):
            chats = cd.scan(path, format=name).check().collect()
            causes = chats.accounting.collect()

            assert chats.rejects.collect().height == (
                causes.filter(pl.col("cause") == "rejected")["n_records"].sum()
            )
