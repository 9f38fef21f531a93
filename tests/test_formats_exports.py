"""Exports, batches and streams: which answer is of which call, request or response."""

from __future__ import annotations

import json

import pytest

import chatdata as cd


def node(name, parent, role, content, *, author=None, recipient="all"):
    body = {"author": {"role": role, "name": author}, "content": content, "recipient": recipient}
    return {"id": name, "parent": parent, "children": [], "message": {"id": name, **body}}


def code(text):
    return {"content_type": "code", "text": text}


@pytest.mark.parametrize(
    ("recipient", "author", "content", "result"),
    [
        (
            "file_search.msearch",
            "file_search",
            {"content_type": "text", "parts": ["found"]},
            "found",
        ),
        ("python", "python", {"content_type": "system_error", "text": "no"}, "no"),
        ("web.run", "web.run", {"content_type": "sonic_webpage", "text": "page"}, "page"),
        ("python", "dalle", {"content_type": "text", "parts": ["other"]}, None),
        ("files", "file_search", {"content_type": "text", "parts": ["other"]}, None),
    ],
)
def test_answers_of_tools(tmp_path, recipient, author, content, result):
    """
    A tool answers for its functions; errors and pages that it shows are its words.
    """
    nodes = [
        node("a", None, "user", {"content_type": "text", "parts": ["go"]}),
        node("b", "a", "assistant", code("x"), recipient=recipient),
        node("c", "b", "tool", content, author=author),
    ]
    chat = {"conversation_id": "k", "mapping": {n["id"]: n for n in nodes}, "current_node": "c"}
    (tmp_path / "conversations.json").write_text(json.dumps([chat]))
    chats = cd.scan(tmp_path)

    assert [result] == chats.tool_calls.collect()["result"].to_list()
    assert chats.messages.sort("position").collect()["content"][2] is not None


def test_a_conversation_that_gemini_saved(tmp_path):
    """
    A saved conversation holds its messages as a history.
    """
    said = [{"role": role, "parts": [{"text": role}]} for role in ("user", "model")]
    (tmp_path / "checkpoint-x.json").write_text(json.dumps({"history": said, "authType": "key"}))
    chats = cd.scan(tmp_path)

    assert ["user", "model"] == chats.messages.sort("position").collect()["content"].to_list()
    assert ['{"authType":"key"}'] == chats.conversations.collect()["extra"].to_list()


def test_chunks_of_a_stream_of_gemini(tmp_path):
    """
    The chunks of a response are one answer, with the tokens of the last.
    """

    def chunk(id_, said, n_tokens, **more):
        candidate = {"index": 0, "content": {"role": "model", "parts": [{"text": said}]}, **more}
        usage = {"promptTokenCount": 8, "candidatesTokenCount": n_tokens}
        return {"responseId": id_, "candidates": [candidate], "usageMetadata": usage}

    chunks = [chunk("r", "Hel", 1), chunk("r", "lo", 5, finishReason="STOP"), chunk("s", "Bye", 2)]
    (tmp_path / "stream.json").write_text(json.dumps(chunks))
    chats = cd.scan(tmp_path).check()
    told = chats.messages.select("content", "output_tokens", "finish_reason").collect()

    assert [("Hello", 5, "STOP"), ("Bye", 2, None)] == told.rows()
    assert 2 == chats.conversations.collect().height
    assert 3 == chats.accounting.collect()["n_records"].sum()


def test_a_batch_of_gemini(tmp_path):
    """
    A request and its outcome, in files of their own, are one conversation.
    """
    asked = [{"key": k, "request": {"contents": [{"parts": [{"text": k}]}]}} for k in ("a", "b")]
    told = [{"content": {"role": "model", "parts": [{"text": "ok"}]}}]
    answered = [{"key": k, "response": {"candidates": told}} for k in ("b", "a")]
    for name, rows in (("in", asked), ("out", answered)):
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (tmp_path / f"{name}.jsonl").write_text(lines)
    chats = cd.scan(tmp_path).check()
    said = chats.messages.sort("conversation_id", "position").collect()

    assert [("a", "a"), ("a", "ok"), ("b", "b"), ("b", "ok")] == (
        said.select("conversation_id", "content").rows()
    )


def test_a_tree_and_its_messages_one_a_line(tmp_path):
    """
    Flat messages, in whatever order, are the tree: its order, and its best path.
    """

    def reply(id_, role, rank=None, *replies):
        return {"message_id": id_, "role": role, "text": id_, "rank": rank, "replies": replies}

    tree = reply(
        *("q", "prompter", None),
        reply("worse", "assistant", 1, reply("f1", "prompter")),
        reply("best", "assistant", 0, reply("f2", "prompter")),
    )

    def lines(node, parent):
        alone = {key: value for key, value in node.items() if key != "replies"}
        for inner in node["replies"]:
            yield from lines(inner, node["message_id"])
        yield {**alone, "parent_id": parent, "message_tree_id": "q"}

    told = [
        _told(tmp_path, name, rows)
        for name, rows in (
            ("tree", [{"message_tree_id": "q", "prompt": tree}]),
            ("flat", list(lines(tree, None))),
        )
    ]

    assert told[0] == told[1]
    assert ["q", "best", "f2"] == [id_ for id_, _, seen in told[0] if seen]


def _told(folder, name, rows):
    path = folder / f"{name}.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    messages = cd.scan(path).messages.sort("position").collect()
    return messages.select("native_id", "parent_message_id", "is_main_path").rows()


def test_chunks_of_several_candidates(tmp_path):
    """
    Answers to the same question stay apart, whichever of them a chunk goes on with.
    """

    def chunk(index, said, n_tokens):
        candidate = {"index": index, "content": {"role": "model", "parts": [{"text": said}]}}
        usage = {"candidatesTokenCount": n_tokens}
        return {"responseId": "r", "candidates": [candidate], "usageMetadata": usage}

    chunks = [chunk(0, "Yes", 1), chunk(1, "N", 2), chunk(0, "!", 3), chunk(1, "o", 4)]
    (tmp_path / "stream.json").write_text(json.dumps(chunks))
    told = cd.scan(tmp_path).check().messages.sort("position").collect()

    assert [("Yes!", 4, True), ("No", None, False)] == (
        told.select("content", "output_tokens", "is_main_path").rows()
    )


def test_a_batch_of_responses(tmp_path):
    """
    Requests and outcomes of a batch are joined by `custom_id`; what failed keeps its question.
    """
    asked = [
        {"custom_id": id_, "method": "POST", "url": "/v1/responses", "body": body}
        for id_, body in (
            ("a", {"model": "gpt-5", "input": "One?"}),
            ("b", {"model": "gpt-5", "input": [{"role": "user", "content": "Two?"}]}),
        )
    ]
    said = {"type": "message", "id": "m", "role": "assistant", "content": "1"}
    answered = {"id": "r", "object": "response", "output": [said], "usage": {"output_tokens": 7}}
    failed = {"error": {"message": "no", "code": "x"}}
    told = [
        {"custom_id": "a", "response": {"status_code": 200, "body": answered}, "error": None},
        {"custom_id": "b", "response": {"status_code": 400, "body": failed}, "error": None},
    ]
    for name, lines in (("asked", asked), ("told", told)):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))

    chats = cd.scan(tmp_path).check()
    messages = chats.messages.sort("conversation_id", "position")

    assert ["a", "b"] == chats.conversations.sort("conversation_id").collect()[
        "conversation_id"
    ].to_list()
    assert [("a", "One?", None), ("a", "1", 7), ("b", "Two?", None)] == messages.select(
        "conversation_id", "content", "output_tokens"
    ).collect().rows()
    assert "a:1" == messages.collect()["parent_message_id"][1]
    assert 2 == cd.scan(tmp_path / "asked.jsonl").messages.collect().height
