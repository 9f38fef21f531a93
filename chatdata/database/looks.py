"""What a table looks like: messages, conversations or calls, by its columns and its name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chatdata.database import names

if TYPE_CHECKING:
    from chatdata.database.catalog import Column, Table


def looks_like_messages(table: Table) -> bool:
    """Ask for a conversation key and a text, in a table that is not one of tool calls."""
    return (
        conversation_key(table) is not None
        and table.find(*names.TEXTS) is not None
        and not looks_like_tool_calls(table)
    )


def conversation_key(table: Table) -> Column | None:
    """Find the column that names the conversation.

    By its name, or by the end of its name (`chat_session_id`) where it refers to conversations.
    """
    named = table.find(*names.CONVERSATION_KEYS)
    if named is not None:
        return named
    keys = {key.column.lower() for key in table.foreign_keys if is_conversation(key.table)}
    ends = tuple(f"_{name}" for name in names.CONVERSATION_KEYS)
    return next(
        (c for c in table.columns if c.name.lower() in keys and c.plain.endswith(ends)), None
    )


def looks_like_results(table: Table) -> bool:
    """Ask for the key of a call and its result, beside the calls and the messages."""
    return table.find(*names.CALL_KEYS) is not None and table.find(*names.RESULTS) is not None


def exchange(table: Table, question: str = "", answer: str = "") -> tuple[Column, Column] | None:
    """Find the question and the answer where each row holds both, under these names or usual ones.

    A table that says who speaks, or has a content, has one message to a row.
    """
    if table.find(*names.SPEAKERS, "content") or looks_like_tool_calls(table):
        return None
    asked = table.column(question) or table.find(*names.QUESTIONS)
    said = table.column(answer) or table.find(*names.ANSWERS)
    return (asked, said) if asked and said and asked != said else None


def looks_like_steps(table: Table) -> bool:
    """Ask for a tree of named steps in a conversation, each with its type, input and output."""
    wanted = ("name", "type", "input", "output", "parent_id")
    return conversation_key(table) is not None and all(map(table.find, wanted))


def looks_like_checkpoints(table: Table) -> bool:
    """Ask for the states of LangGraph's threads."""
    return all(map(table.find, ("thread_id", "checkpoint_id", "checkpoint")))


def looks_like_tool_calls(table: Table) -> bool:
    """Ask for a tool's name and arguments, and no role."""
    # A table of tools has names and parameters too, but neither results nor a place in a chat.
    is_log = table.find("message_id", *names.CONVERSATION_KEYS, *names.RESULTS) is not None
    extra = ("name", "tool") if is_log and names.TOOL_TABLE.search(table.name.lower()) else ()
    if is_log and table.find(*names.FLAT["arguments"]):
        extra = ("name", "tool")
    return (
        table.find(*names.TOOL_NAMES, *extra) is not None
        and table.find(*names.ARGUMENTS) is not None
        and table.find("role", "sender_type", "sender", "author_role") is None
    )


def message_rank(table: Table) -> tuple[bool, bool, str]:
    """Order the tables that look like messages: plain names first."""
    plain = table.name.lower()
    is_plain = names.PLAIN_MESSAGE_TABLE.fullmatch(plain) is not None
    return not is_plain, names.MESSAGE_TABLE.search(plain) is None, plain


def speaker(table: Table) -> str:
    """Say who speaks in a table without a role column."""
    return "assistant" if names.ANSWER_TABLE.search(table.name.lower()) else "user"


def is_conversation(name: str) -> bool:
    """Ask for the name of a table of conversations."""
    return names.CONVERSATION_TABLE.fullmatch(name.lower()) is not None


def is_chat(table: Table) -> bool:
    """Tell a conversation from a login's session."""
    has_id = len(table.primary_key) == 1 or table.find(*names.CONVERSATIONS["id"]) is not None
    is_session = table.name.lower() in ("session", "sessions")
    return has_id and not (is_session and table.find(*names.LOGIN))


def conversation_rank(table: Table) -> tuple[int, str]:
    """Order the tables that are named like conversations."""
    plain = table.name.lower()
    order = ("conversation", "chat", "thread", "session")
    return next(rank for rank, word in enumerate(order) if word in plain), plain
