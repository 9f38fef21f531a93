"""Nothing that was read is lost: every record comes back out of the frames.

Over our own fixtures and over the real logs beside the checkout. Records that are no part of this
promise are named in `EXCEPTIONS`, by key, with the reason.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from collections import Counter

import pytest
from conftest import SAMPLES
from pyarrow import parquet
from rebuilding import conversations
from rebuilt_agents import AGENTS
from rebuilt_messages import MESSAGES
from test_formats import EXPECTED, case_of
from test_formats_truth import RULES as READERS_OF
from test_formats_truth import truths

import chatdata as cd

RULES = MESSAGES | AGENTS
DATA_URI = re.compile(r"data:([\w.+/-]*)[^,]{0,200};base64,", re.IGNORECASE)


# Records that need not come back, with the reason.
EXCEPTIONS = {
    # The title of a conversation of which the input has no message: there is no row to keep it.
    "claude-code": lambda record: record.get("type") == "summary" and "leafUuid" in record,
}


def never(record):
    return False


def records(path):
    """
    Read a log without our code: its records, by number.
    """
    if path.suffix == ".parquet":
        return dict(enumerate(map(present, parquet.read_table(path).to_pylist()), 1))
    text = path.read_bytes().decode("utf-8-sig", "surrogateescape")
    if path.suffix == ".md":
        return {1: markdown(text.replace("\r\n", "\n"))}
    try:
        whole = json.loads(text)
    except ValueError:
        lines = ((number, loaded(line)) for number, line in enumerate(text.split("\n"), 1))
        return {number: value for number, value in lines if value is not None}
    return dict(enumerate(whole if isinstance(whole, list) else [whole], 1))


def markdown(text):
    """
    Take a document apart: its front matter, and the text below each heading of level 2.
    """
    front = re.match(r"\s*---[ \t]*\n(.*?)\n---[ \t]*(?=\n|$)", text, re.DOTALL)
    body = text[front.end() :] if front else text
    fences = re.sub(r"(?ms)^\s*(```|~~~).*?(^\s*\1|\Z)", lambda m: "x" * len(m.group()), body)
    starts = [m.start() for m in re.finditer(r"(?m)^## ", fences)]
    pieces = [body[a:b] for a, b in zip([0, *starts], [*starts, len(body)], strict=True)]
    sections = [["", pieces[0].strip()]] if pieces[0].strip() else []
    for piece in pieces[1:]:
        heading, _, said = piece[3:].partition("\n")
        sections.append([heading.strip(), said.strip()])
    return {"front_matter": front and front.group(1), "sections": sections}


def present(value):
    """
    Leave nulls out, and spell times as text: a column of Parquet has no other way to say nothing.
    """
    if isinstance(value, dict):
        return {key: present(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [present(item) for item in value]
    return f"{value.replace(tzinfo=None).isoformat()}Z" if hasattr(value, "isoformat") else value


def loaded(line):
    try:
        return json.loads(line)
    except ValueError:
        return None


def hashed(value):
    """
    Replace bytes by what identifies them, and what no text column holds by its escape or name;
    2.0 is the number 2.
    """
    if isinstance(value, str):
        match = DATA_URI.match(value)
        if match:
            return described(value[match.end() :], match.group(1))
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, float):
        return (int(value) if value.is_integer() else value) if math.isfinite(value) else str(value)
    if isinstance(value, list):
        return [hashed(item) for item in value]
    if isinstance(value, dict):
        kind = value.get("media_type", value.get("mime_type", value.get("format")))
        return {
            key: described(item, kind)
            if key in {"data", "file_data", "b64_json", "base64"} and looks_like_bytes(item)
            else hashed(item)
            for key, item in value.items()
        }
    return value


def looks_like_bytes(value):
    return isinstance(value, str) and len(value) >= 64 and " " not in value[:256]


def described(text, kind):
    try:
        data = base64.b64decode(text)
    except ValueError:
        data = text.encode()
    return {
        "media_type": kind or None,
        "n_bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
    }


def canonical(value):
    return json.dumps(hashed(value), sort_keys=True, ensure_ascii=False)


def compared(path, name):
    """
    Give what only the log has and what only the frames have.
    """
    chats = cd.scan(path, format=name)
    refused = set(chats.rejects.collect()["record"])
    source = Counter(canonical(r) for n, r in records(path).items() if n not in refused)
    clean = present if path.suffix == ".parquet" else lambda record: record
    rebuilt = Counter(canonical(clean(r)) for r in RULES[name](conversations(chats)))
    missing, added = source - rebuilt, rebuilt - source
    repeated = [record for record in missing if record in rebuilt]
    excepted = [record for record in missing if EXCEPTIONS.get(name, never)(json.loads(record))]
    return [*(missing.keys() - {*repeated, *excepted})], [*added]


def differences(missing, added):
    """
    Say where the first few records that differ do so.
    """
    if len(missing) != len(added):
        return [
            f"{len(missing)} records did not come back, {len(added)} were made up",
            *(record[:300] for record in missing[:3]),
            *(record[:300] for record in added[:3]),
        ]
    pairs = zip(missing[:3], added[:3], strict=True)
    return [place for pair in pairs for place in apart(*map(json.loads, pair))]


def apart(source, rebuilt, place=""):
    """
    Yield the places at which two values differ, with both.
    """
    if isinstance(source, dict) and isinstance(rebuilt, dict):
        for key in sorted(source.keys() | rebuilt.keys()):
            yield from apart(source.get(key, "(no)"), rebuilt.get(key, "(no)"), f"{place}.{key}")
    elif isinstance(source, list) and isinstance(rebuilt, list) and len(source) == len(rebuilt):
        for number, pair in enumerate(zip(source, rebuilt, strict=True)):
            yield from apart(*pair, f"{place}[{number}]")
    elif source != rebuilt:
        yield f"{place}: {str(source)[:80]!r} became {str(rebuilt)[:80]!r}"


def fixtures():
    for expected in EXPECTED:
        name = json.loads(expected.read_text())["format"]
        if name in RULES:
            yield pytest.param(case_of(expected), name, id=f"{name}/{case_of(expected).name}")


def samples():
    for truth in truths():
        name = READERS_OF[truth["format"]][0]
        path = SAMPLES / "formats" / truth["file"]
        if name in RULES and path.stat().st_size:
            yield pytest.param(path, name, id=truth["file"][-60:])


@pytest.mark.parametrize(("path", "name"), [*fixtures(), *samples()])
def test_every_record_comes_back(path, name):
    """
    Columns and `extra` give back every record that was read, equal as JSON.
    """
    missing, added = compared(path, name)

    assert [] == differences(missing, added)
