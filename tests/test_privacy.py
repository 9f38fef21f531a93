"""Frames that can be handed on."""

from __future__ import annotations

import hashlib
import hmac
import json

import polars as pl
import pytest
from chat_rows import called, chats, conversation, said

import chatdata as cd
from chatdata import schema
from chatdata.chats import Finding, from_frames

KEY = b"sixteen bytes or more"
CANARY = "CANARY"


def planted():
    """
    A log with a canary in everything that names somebody or that somebody wrote.
    """
    row = conversation(
        f"{CANARY}-c",
        native_id=f"{CANARY}-n",
        origin=f"/{CANARY}",
        user_id=f"{CANARY}-u",
        title=CANARY,
        project=f"/{CANARY}",
        parent_conversation_id=f"{CANARY}-p",
        parent_tool_call_id=f"{CANARY}-t",
        extra=CANARY,
    )
    texts = dict.fromkeys(("content", "reasoning", "extra", "generation_id"), CANARY)
    calls = called(
        {"arguments_raw": CANARY, "arguments": CANARY, "result": CANARY, "extra": CANARY},
        conversation_id=f"{CANARY}-c",
        message_id=f"{CANARY}-c.0",
    )
    messages = said({"role": "user", **texts}, conversation_id=f"{CANARY}-c")
    log = chats(conversations=[row], messages=messages, tool_calls=calls)
    place = {"origin": f"/{CANARY}", "path": f"/{CANARY}/x"}
    rejects = pl.DataFrame(
        [{"source": "test", "reason": "no JSON", **place}], schema=schema.REJECTS.schema
    )
    counts = {"cause": "kept", "n_records": 1, "n_messages": 1, "n_tool_calls": 1}
    accounting = pl.DataFrame([{**place, **counts}], schema=schema.ACCOUNTING.schema)
    frames = {**log.frames, "rejects": rejects.lazy(), "accounting": accounting.lazy()}
    return from_frames(frames, [Finding(f"/{CANARY}", "file", "chats", "its content")])


def everything(log):
    """
    All cells of all frames and findings, as one text.
    """
    frames = [frame.collect().write_json() for frame in log.frames.values()]
    return " ".join([*frames, log.explain().write_json(), repr(log)])


def test_pseudonymised_frames_name_nobody():
    """
    No canary is left anywhere, and the frames still follow the contract.
    """
    assert CANARY in everything(planted())
    assert CANARY not in everything(planted().pseudonymise(KEY).check())


def test_pseudonyms_keep_what_belongs_together():
    """
    Analyses of shapes and counts give what they gave, because references still meet.
    """
    log = cd.sample(60)
    hidden = log.pseudonymise(KEY)
    columns = pl.exclude("share")

    assert cd.analysis.tool_usage(log).equals(cd.analysis.tool_usage(hidden))
    assert cd.analysis.length_distribution(log).equals(cd.analysis.length_distribution(hidden))
    assert (
        cd.analysis.quality_checks(log)
        .select(columns)
        .equals(cd.analysis.quality_checks(hidden).select(columns))
    )


def test_pseudonym_is_a_keyed_hash_of_namespace_and_id():
    """
    It can be made again with the key and another tool, and only with it.
    """
    user = planted().pseudonymise(KEY).conversations.collect()["user_id"].item()
    expected = hmac.new(KEY, f"user\0{CANARY}-u".encode(), hashlib.sha256).hexdigest()

    assert expected[:32] == user


def test_pseudonyms_differ_by_key_and_namespace():
    """
    Another key gives other names; the same text as a user and a project gives two.
    """
    row = conversation("same", user_id="same", project="same")
    log = chats(conversations=[row])
    names = ("conversation_id", "user_id", "project")
    one, other = (
        log.pseudonymise(key).conversations.select(names).collect().row(0)
        for key in (KEY, KEY[::-1])
    )

    assert 6 == len({*one, *other})


def test_absent_stays_absent():
    """
    Null ids have no pseudonym.
    """
    log = chats(conversations=[conversation("c", user_id=None)])

    assert [None] == log.pseudonymise(KEY).conversations.collect()["user_id"].to_list()


def test_short_keys_are_refused():
    """
    A key that can be guessed is an error that says how to make a better one.
    """
    with pytest.raises(ValueError, match="found a key of 5 bytes, expected 16 or more"):
        chats().pseudonymise(b"short")


@pytest.mark.parametrize("engine", ["polars", "duckdb"])
def test_without_text(engine):
    """
    Texts go, their sizes, names and statuses stay, whatever the engine.
    """
    log = cd.sample(30)
    bare = log.to(engine).without_text().check().collect()
    gone = {
        (name, column)
        for name, frame in bare.frames.items()
        for column in frame.collect_schema()
        if not frame.collect().is_empty()
        and frame.collect()[column].null_count() == frame.collect().height
        and log.frames[name].collect()[column].null_count() < log.frames[name].collect().height
    }

    assert {
        ("conversations", "title"),
        ("messages", "content"),
        ("messages", "reasoning"),
        ("tool_calls", "arguments"),
        ("tool_calls", "arguments_raw"),
        ("tool_calls", "result"),
    } <= gone
    assert log.messages.collect()["n_chars"].equals(bare.messages.collect()["n_chars"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param('{"email": "a@b", "n": 1.50}', '{"email":"[masked]","n":1.5}', id="a value"),
        pytest.param('{"Email":{"a":[1]}}', '{"Email":"[masked]"}', id="whatever it is"),
        pytest.param('[{"u":{"pass word":1}}]', '[{"u":{"pass word":"[masked]"}}]', id="deep"),
        pytest.param(
            '{"\\u0065mail":"a"}', '{"email":"[masked]"}', id="a key that is written with escapes"
        ),
        pytest.param(
            json.dumps({"body": '{"email": "a"}'}),
            json.dumps({"body": '{"email":"[masked]"}'}, separators=(",", ":")),
            id="JSON in a string of JSON",
        ),
        pytest.param("{'email': 'a'}", "[masked]", id="no JSON, a key"),
        pytest.param('{"email": "a', "[masked]", id="cut JSON, a key"),
        pytest.param("[" * 200_000 + '"email"', "[masked]", id="too deep to read"),
        pytest.param('{"email_sent": true}', '{"email_sent": true}', id="another key"),
        pytest.param('{"to": "the emails"}', '{"to": "the emails"}', id="another word"),
        pytest.param("all is well", "all is well", id="no JSON, no key"),
        pytest.param("12345678901234567890.10", "12345678901234567890.10", id="no key, no change"),
        pytest.param('{ "n": 1.10 }', '{ "n": 1.10 }', id="no key, not a space changed"),
        pytest.param(None, None, id="nothing"),
    ],
)
@pytest.mark.parametrize("column", ["arguments", "arguments_raw", "result", "extra"])
def test_mask(column, text, expected):
    """
    What stands under a key is masked however deep; what names no key stays as it is to the letter.
    """
    log = chats(tool_calls=called({column: text})).mask("email", "PASS WORD").check()

    assert [expected] == log.tool_calls.collect()[column].to_list()


def test_mask_reaches_results_and_extras_elsewhere():
    """
    A result is masked in the message that carries it too, and extras everywhere; words are not.
    """
    text, hidden = '{"email":"a"}', '{"email":"[masked]"}'
    turns = [{"role": role, "content": text, "extra": text} for role in ("user", "tool")]
    log = chats(conversations=[conversation(extra=text)], messages=said(*turns)).mask("email")

    assert [text, hidden] == log.messages.collect()["content"].to_list()
    assert [hidden] * 2 == log.messages.collect()["extra"].to_list()
    assert [hidden] == log.conversations.collect()["extra"].to_list()


def test_mask_of_letters_beyond_ascii():
    """
    Keys of any alphabet are found, in whatever case.
    """
    log = chats(tool_calls=called({"result": '{"ПАРОЛЬ":1}'})).mask("пароль")

    assert ['{"ПАРОЛЬ":"[masked]"}'] == log.tool_calls.collect()["result"].to_list()


@pytest.mark.parametrize("keys", [(), ("",)], ids=["none", "empty"])
def test_mask_wants_keys(keys):
    """
    Masking nothing is a mistake, not a promise kept.
    """
    with pytest.raises(ValueError, match="found no key to mask"):
        chats().mask(*keys)


def test_mask_stays_on_polars():
    """
    Another engine is told how to get there, instead of being moved in silence.
    """
    with pytest.raises(cd.EngineError, match="only Polars can mask; move the frames with"):
        chats().to("duckdb").mask("email")
