"""Inspect archives: the same as the log they were packed from, whatever packed them."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

import chatdata as cd
from chatdata.errors import SourceError

LOG = Path(__file__).parent / "data" / "inspect-ai" / "log.json"
ZSTD = 93


def members(*, finished=True):
    log = json.loads(LOG.read_text())
    samples = log.pop("samples")
    start = {key: log[key] for key in ("version", "eval", "plan")}
    head = {"header.json": log, "summaries.json": []} if finished else {}
    return {
        "_journal/start.json": start,
        **{
            f"samples/{sample.get('id')}_epoch_{sample['epoch']}.json": sample for sample in samples
        },
        **head,
    }


def archive(path, parts, *, zstd=False):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED if zstd else zipfile.ZIP_DEFLATED) as out:
        for name, value in parts.items():
            data = json.dumps(value).encode()
            out.writestr(name, pa.compress(data, "zstd", asbytes=True) if zstd else data)
        places = [info.header_offset for info in out.infolist()]
    data = bytearray(packed.getvalue())
    if zstd:
        # zipfile cannot write this method before Python 3.14: say so in both headers afterwards.
        central = [i for i in range(len(data)) if data[i : i + 4] == b"PK\x01\x02"]
        for offset in [place + 8 for place in places] + [place + 10 for place in central]:
            data[offset : offset + 2] = struct.pack("<H", ZSTD)
    path.write_bytes(data)
    return path


def rows(chats, name):
    frame = getattr(chats, name).select(pl.exclude("extra", "origin")).collect()
    return frame.sort(frame.columns[0]).to_dicts()


@pytest.mark.parametrize("zstd", [False, True], ids=["deflate", "zstd"])
def test_archive_equals_log(tmp_path, zstd):
    """
    An archive gives the conversations, messages and calls of its log, and is known by its members.
    """
    log = cd.scan(LOG)
    packed = cd.scan(archive(tmp_path / "run.eval", members(), zstd=zstd)).check()
    counted = packed.accounting.select("cause", pl.col("n_records").cast(int)).collect().rows()

    assert ["inspect-ai"] == [finding.became for finding in packed.findings]
    for name in ("conversations", "messages", "tool_calls"):
        assert rows(log, name) == rows(packed, name)
    assert [("kept", 2), ("part of another record", 3), ("rejected", 1)] == sorted(counted)


def test_asking_for_the_format_changes_nothing(tmp_path):
    """
    An archive whose format is named is read whole too, not member by member.
    """
    path = archive(tmp_path / "run.eval", members())

    assert rows(cd.scan(path), "messages") == rows(cd.scan(path, format="inspect-ai"), "messages")


def test_unfinished_archive(tmp_path):
    """
    An archive that is still being written has no header, and takes the run from its journal.
    """
    chats = cd.scan(archive(tmp_path / "run.eval", members(finished=False)))
    found = chats.conversations.select("conversation_id", "model").collect().rows()

    assert {("ev/7/1", "lab/small"), ("ev/seven/2", "lab/small")} == set(found)


def test_damaged_member(tmp_path):
    """
    A sample whose bytes changed is a reject; the other samples are read.
    """
    path = archive(tmp_path / "run.eval", members())
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as packed:
        info = packed.getinfo("samples/7_epoch_1.json")
    middle = info.header_offset + 30 + len(info.filename) + info.compress_size // 2
    data[middle : middle + 8] = b"\xff" * 8
    path.write_bytes(data)
    chats = cd.scan(path).check()

    assert ["ev/seven/2"] == chats.conversations.collect()["conversation_id"].to_list()
    assert ["damaged archive member", "not an inspect-ai sample"] == sorted(
        chats.rejects.collect()["reason"]
    )


def test_archive_without_directory(tmp_path):
    """
    An archive that was cut off cannot be read, and the error says so.
    """
    path = archive(tmp_path / "run.eval", members())
    path.write_bytes(path.read_bytes()[:-30])

    with pytest.raises(SourceError, match="damaged zip archive"):
        cd.scan(path)
