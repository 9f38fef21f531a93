"""Documents damaged on purpose, knowing what they are made of: keys, records, links, text.

A mutant is a document of JSON records (or of lines of text) after one to three changes. Which ones,
is decided by the format's name and the mutant's number alone, so that each can be made again.
"""

from __future__ import annotations

import copy
import io
import json
import random
from pathlib import Path

import msgspec
import polars as pl

from chatdata.formats.sources import Document
from chatdata.load.collect import Found, take
from chatdata.load.read import chats_of
from chatdata.load.scope import Scope

WRONG = [
    None,
    True,
    0,
    -1,
    2**70,
    1.5,
    1e400,
    float("nan"),
    "",
    " ",
    "x",
    "null",
    "\ud83d",
    "a\0b",
    "[]",
    '{"a":',
    "2025-13-45T99:00:00Z",
    [],
    {},
    [[]],
    [None],
    ["x"],
    {"a": None},
    {"type": "text"},
    [{"type": "text", "text": None}],
]
# `json.dumps` looks for cycles; there are none.
_WRITE = json.JSONEncoder(check_circular=False).encode
BY_RECORD = frozenset(
    {"openai-chat", "tau-bench", "chatgpt-export", "claude-ai-export", "claude-code", "codex"}
    | {"anthropic-messages", "sharegpt", "lmsys-chat", "wildchat", "phr"}
)
LINKS = ("id", "uuid", "parent", "session", "leaf", "node", "call", "request", "turn", "children")


def mutant(name, number, documents):
    """
    Give the bytes of one mutant of one of the documents.
    """
    random_ = random.Random(f"{name}:{number}")  # noqa: S311 - seeded
    document = random_.choice(documents)
    if document[:1] not in b"[{":
        return _lines(document, random_)
    records, form = parsed(document)
    for _ in range(random_.choice((1, 1, 1, 2, 3))):
        records = random_.choice(CHANGES)(records, random_)
    data = written(records, form)
    return _bytes(data, random_) if random_.random() < 0.1 else data


def parsed(document):
    """
    Decode a document into records, and say how they were written.
    """
    whole = _loaded(document)
    if whole is None:
        lines = document.split(b"\n")
        return [record for line in lines if (record := _loaded(line)) is not None], "lines"
    return (whole, "array") if isinstance(whole, list) else ([whole], "value")


def written(records, form):
    """
    Write records as they were.
    """
    if form == "array":
        return _WRITE(records).encode()
    return "\n".join(map(_WRITE, records)).encode()


def _loaded(text):
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        pass
    try:
        return json.loads(text.decode("utf-8", "replace"))
    except ValueError:
        return None


def _places(value):
    """
    List every place in a value: its container and key.
    """
    for key, item in value.items() if isinstance(value, dict) else enumerate(value):
        yield value, key
        if isinstance(item, dict | list):
            yield from _places(item)


def _pick(records, random_, wanted):
    """
    Pick a place: its container and key; None where there is none.
    """
    found = [place for place in _places(records) if wanted(place[1], place[0][place[1]])]
    return random_.choice(found) if found else None


def change(function):
    """
    Make a change of one place of a change of records.
    """

    def changed(records, random_):
        found = _pick(records, random_, function.__defaults__[0])
        if found is not None:
            function(*found, random_, records)
        return records

    return changed


def anything(_key, _value):
    return True


def keyed(key, _value):
    return isinstance(key, str)


def texts(_key, value):
    return isinstance(value, str) and value != ""


def linking(key, _value):
    return isinstance(key, str) and any(word in key.lower() for word in LINKS)


@change
def drop(container, key, random_, records, wanted=anything):
    del container[key]


@change
def rename(container, key, random_, records, wanted=keyed):
    others = [other for _, other in _places(records) if isinstance(other, str)]
    container[random_.choice([*others, "unheard_of", ""])] = container.pop(key)


@change
def retype(container, key, random_, records, wanted=anything):
    container[key] = copy.deepcopy(random_.choice(WRONG))


@change
def nest(container, key, random_, records, wanted=anything):
    value = container[key]
    container[key] = random_.choice(
        [[value], [value, copy.deepcopy(value)], {"value": value}, json.dumps(value)]
    )


@change
def shorten(container, key, random_, records, wanted=texts):
    container[key] = container[key][: random_.randrange(len(container[key]))]


@change
def copy_over(container, key, random_, records, wanted=anything):
    other = _pick(records, random_, anything)
    container[key] = copy.deepcopy(other[0][other[1]])


@change
def swap(container, key, random_, records, wanted=anything):
    other = _pick(records, random_, lambda found, _value: found == key)
    copied = copy.deepcopy([container[key], other[0][other[1]]])
    container[key], other[0][other[1]] = copied[1], copied[0]


@change
def relink(container, key, random_, records, wanted=linking):
    other = _pick(records, random_, linking)
    own = [container[name] for name in ("uuid", "id") if name in container]
    container[key] = copy.deepcopy(random_.choice([other[0][other[1]], *own, "lost"]))


def repeat_record(records, random_):
    if records:
        records.insert(random_.randrange(len(records) + 1), random_.choice(records))
    return copy.deepcopy(records)


def lose_record(records, random_):
    if records:
        del records[random_.randrange(len(records))]
    return records


def reorder(records, random_):
    random_.shuffle(records)
    return records


def spoil_record(records, random_):
    if records:
        records[random_.randrange(len(records))] = copy.deepcopy(random_.choice(WRONG))
    return records


CHANGES = (
    *(drop, rename, retype, retype, nest, shorten, copy_over, swap, relink, relink),
    *(repeat_record, lose_record, reorder, spoil_record),
)


def _bytes(data, random_):
    """
    Damage the written text itself.
    """
    place = random_.randrange(len(data) + 1)
    return random_.choice(
        [
            data[:place],
            data[:place] + bytes([random_.randrange(256)]) + data[place + 1 :],
            data[:place] + b"\0\xff" + data[place:],
            b"\xef\xbb\xbf" + data,
            data.replace(b"\n", b"\r\n"),
            data + b"\0" * 9,
        ]
    )


def damaged(data, random_):
    """
    Yield a document with a byte order mark, with CRLF, cut at 20 places, and 20 times with one byte
    changed.
    """
    yield b"\xef\xbb\xbf" + data
    yield data.replace(b"\n", b"\r\n")
    for _ in range(20):
        place = random_.randrange(len(data))
        yield data[:place]
        yield data[:place] + bytes([random_.randrange(256)]) + data[place + 1 :]


def _lines(document, random_):
    """
    Damage a document of lines of text.
    """
    lines = document.split(b"\n")
    for _ in range(random_.choice((1, 1, 2, 3))):
        place, other = random_.randrange(len(lines)), random_.randrange(len(lines))
        lines[place : place + 1] = random_.choice(
            [
                [],
                [lines[other]],
                [lines[place], lines[place]],
                [lines[place][: len(lines[place]) // 2]],
                [b"---"],
                [b"## Prompt"],
                [b"```"],
                [b"  " + lines[place]],
                [lines[place].replace(b":", b"")],
                [b"\xff\0" + lines[place]],
            ]
        ) or [b""]
    return _bytes(b"\n".join(lines), random_)


def read(documents, name):
    """
    Read documents together, as the files of one folder.

    Returns:
        What they gave, and how many records were read.
    """
    found = Found()
    for number, data in enumerate(documents):
        document = Document(
            path=f"{number}.json",
            name=f"{number}.json",
            file=Path("in memory"),
            start=lambda stack, data=data: stack.enter_context(io.BytesIO(data)),
        )
        take(found, document, name, Scope(), alone=True)
    return chats_of(found), sum(reading.n_records for reading in found.readings)


def check(documents, name):
    """
    Hold what documents gave to the contract, and their accounting to what was read.
    """
    chats, n_read = read(documents, name)
    chats = chats.check().collect()
    accounting = chats.accounting.collect()
    rejected = accounting.filter(pl.col("cause") == "rejected")["n_records"].sum()
    spoken = chats.messages.filter(pl.col("kind") != "event").select(pl.len()).collect().item()
    certified = chats.audit().filter(pl.col("cause") == "certified")

    # Traces and databases account for spans and rows, of which a record may hold many.
    assert name not in BY_RECORD or n_read == accounting["n_records"].sum()
    assert chats.rejects.collect().height == rejected
    assert spoken == certified["n_messages"].item()
    assert chats.tool_calls.collect().height == certified["n_tool_calls"].item()


def guilty(documents, name):
    """
    Find one document that fails the check by itself, or the fewest that fail together.
    """
    for document in documents:
        try:
            check([document], name)
        except Exception:  # noqa: BLE001 - any of them is what is looked for
            return [document]
    half = len(documents) // 2
    for part in (documents[:half], documents[half:]):
        try:
            check(part, name)
        except Exception:  # noqa: BLE001 - any of them is what is looked for
            return guilty(part, name)
    return documents
