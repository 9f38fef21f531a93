"""Messages that have a text and, in a column beside it, the list of parts that it was made of."""

from __future__ import annotations

import json

import pytest
from chat_tables import conversations, extras, messages, rows

TALK = conversations((1, "u", None))
SAID = {"type": "text", "text": "Here you are"}
USED = {"type": "tool_use", "id": "t1", "name": "search", "input": {"q": 1}}
FOUND = {"type": "tool_result", "tool_use_id": "t1", "content": "42"}
STREAMED = {
    "type": "tool-search",
    "toolCallId": "t1",
    "state": "output-available",
    "input": {"q": 1},
    "output": "42",
}


def read_rows(scanned, *said, kind="TEXT", name="parts", **asked):
    columns = (
        f"id INTEGER PRIMARY KEY, conversation_id INTEGER, role TEXT, content TEXT, {name} {kind}"
    )
    numbered = [
        (number, 1, role, text, parts if parts is None else json.dumps(parts))
        for number, (role, text, parts) in enumerate(said, 1)
    ]
    return scanned(TALK, messages(*numbered, columns=columns), **asked).check()


@pytest.mark.parametrize("name", ["parts", "content_parts", "message_parts", "content_blocks"])
@pytest.mark.parametrize("kind", ["TEXT", "JSON"])
@pytest.mark.parametrize("part", [USED, STREAMED])
def test_the_calls_in_the_parts_are_found(scanned, kind, name, part):
    """
    The text stands once, and the list beside it gives its calls.
    """
    said = (
        ("user", "Find it", [{"type": "text", "text": "Find it"}]),
        ("assistant", "Here you are", [SAID, part]),
        ("assistant", "Without a list", None),
    )
    chats = read_rows(scanned, *said, kind=kind, name=name)

    assert ["Find it", "Here you are", "Without a list"] == [
        text for (text,) in rows(chats.messages, "content", by="position")
    ]
    assert [("2", "t1", "search", '{"q":1}')] == rows(
        chats.tool_calls, "message_id", "native_id", "name", "arguments"
    )
    assert "Here" not in json.dumps(extras(chats.messages))


@pytest.mark.parametrize("text", [None, ""])
def test_words_stand_for_a_missing_text(scanned, text):
    """
    Where only the list has words, they are the message's; results in it are those of their calls.
    """
    said = (("assistant", text, [SAID, USED]), ("user", text, [FOUND]))
    chats = read_rows(scanned, *said)

    assert [("assistant", "Here you are", 12), ("tool", None, None)] == rows(
        chats.messages, "role", "content", "n_chars", by="position"
    )
    assert [("42", "2")] == rows(chats.tool_calls, "result", "result_message_id")


def test_a_text_of_its_own_loses_nothing_of_the_list(scanned):
    """
    Where text and list say different things, the list is kept as it is, beside the text.
    """
    parts = [SAID, {"type": "reasoning", "text": "Hm"}, USED]
    chats = read_rows(scanned, ("assistant", "In short", parts))

    assert [("In short", "Hm")] == rows(chats.messages, "content", "reasoning")
    assert [parts] == [json.loads(one["parts"]) for one in extras(chats.messages)]
    assert [("search",)] == rows(chats.tool_calls, "name")


def test_other_parts_are_data_like_any(scanned):
    """
    What is no list of parts stays in extra, and is nobody's words.
    """
    chats = read_rows(scanned, ("user", "a", 3), ("user", None, ["x"]))

    assert [("a",), (None,)] == rows(chats.messages, "content", by="position")
    assert ["3", '["x"]'] == [one["parts"] for one in extras(chats.messages, by="position")]


def test_counts_and_sizes_are_the_same_without_text(scanned):
    """
    Without any text the calls and the sizes are the same, and no word comes along.
    """
    said = (("assistant", "Here you are", [SAID, USED]), ("assistant", None, [SAID]))
    chats = read_rows(scanned, *said, text=False)

    assert [(None, 12), (None, 12)] == rows(chats.messages, "content", "n_chars", by="position")
    assert [("search", None)] == rows(chats.tool_calls, "name", "arguments")
    assert "Here" not in str(chats.messages.collect().rows())


def test_a_list_beside_question_and_answer_is_the_answers(scanned):
    """
    Of a row with both, the calls are made by the answer.
    """
    columns = (
        "id INTEGER PRIMARY KEY, conversation_id INTEGER, question TEXT, answer TEXT, parts TEXT"
    )
    chats = scanned(
        TALK, messages((1, 1, "Find it", "Here you are", json.dumps([SAID, USED])), columns=columns)
    ).check()

    assert [("user", "Find it"), ("assistant", "Here you are")] == rows(
        chats.messages, "role", "content", by="position"
    )
    assert [("messages.answer:1", "search")] == rows(chats.tool_calls, "message_id", "name")


def test_a_string_of_json_goes_before_the_list(scanned):
    """
    In a column of JSON a string stands for its words, whatever stands beside it.
    """
    columns = "id INTEGER PRIMARY KEY, conversation_id INTEGER, role TEXT, content JSON, parts JSON"
    said = messages((1, 1, "user", '"Hi"', json.dumps([SAID])), columns=columns)

    assert [("Hi", 2)] == rows(scanned(TALK, said).messages, "content", "n_chars")
