"""Exports of chats: which tool answers which call, and where saved conversations keep messages."""

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
