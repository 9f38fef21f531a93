"""What a table looks like: messages, conversations or calls, by its columns and its name."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl

from chatdata.database import names, values
from chatdata.database.catalog import Column

if TYPE_CHECKING:
    from chatdata.database.catalog import Table

_PROGRAMS = ("api", "machine")
"""Words for a model that logs of anything have for a program."""


def looks_like_messages(table: Table) -> bool:
    """Ask for a conversation key and a text, in a table that is not one of tool calls."""
    return (
        conversation_key(table) is not None
        and table.find(*names.TEXTS) is not None
        and not looks_like_tool_calls(table)
        and not is_of_a_program(table)
    )


def is_of_a_program(table: Table) -> bool:
    """Tell what a program logs of itself, by thread or session, from what anybody says."""
    return bool(table.find(*names.LOG_LEVELS) and table.find(*names.LOG_PLACES))


def conversation_key(table: Table) -> Column | None:
    """Find the column that names the conversation.

    What refers to conversations goes before what is only named so, and may have a longer name that
    ends so (`chat_session_id`), as the table may (`ai_chats`), plain names first; a session may be
    a login's, and its name decides nothing.
    """
    keys = {key.column.lower() for key in table.foreign_keys if _refers_to_conversations(key.table)}
    sessions = {key.column.lower() for key in table.foreign_keys if _is_session(key.table)}
    plain = {key.column.lower() for key in table.foreign_keys if is_conversation(key.table)}
    linked = [c for c in table.columns if c.name.lower() in keys and _is_key(c)]
    linked.sort(key=lambda column: column.name.lower() not in plain)
    sure = (column for column in linked if column.name.lower() not in sessions)
    return next(sure, None) or table.find(*names.CONVERSATION_KEYS) or next(iter(linked), None)


def _is_key(column: Column) -> bool:
    """Ask for one of the names of conversation keys, or a longer one that ends so."""
    return f"_{column.plain}".endswith(tuple(f"_{name}" for name in names.CONVERSATION_KEYS))


def _refers_to_conversations(name: str) -> bool:
    """Ask of a table that something refers to, which may have a longer name (`ai_chats`)."""
    return is_conversation(name) or bool(names.LONGER_TABLE.fullmatch(Column(name, "").plain))


def _is_session(name: str) -> bool:
    return name.lower() in ("session", "sessions")


def looks_like_results(table: Table) -> bool:
    """Ask for the key of a call and its result, beside the calls and the messages."""
    return table.find(*names.CALL_KEYS) is not None and table.find(*names.RESULTS) is not None


def role_column(table: Table) -> Column | None:
    """Find the column that says who speaks: the first whose values do, else the first by name."""
    may = [column for name in names.MAY_SPEAK if (column := table.find(name))]
    return next(filter(speaks, may), table.find(*names.SPEAKERS))


def says_who_speaks(table: Table) -> bool:
    """Ask for a column that says who speaks, and does so wherever it has been looked into."""
    column = role_column(table)
    return column is not None and (not column.seen or speaks(column))


def speaks(column: Column) -> bool:
    """Whether most of the values seen are roles, a person's or a model's among them.

    Where logs of anything have such a column, both are asked for, and by words of chats.
    """
    known = _known_roles(column)
    most = len(known) * 2 > len(column.seen or ())
    if column.plain in names.VAGUE_ROLES:
        words = frozenset(word for word in column.seen or () if word.lower() not in _PROGRAMS)
        return most and {"user", "assistant"} <= {*_known_roles(replace(column, seen=words))}
    return most and not {"user", "assistant"}.isdisjoint(known)


def holds_no_role(column: Column) -> bool:
    """Whether values have been seen, and none is a role."""
    return bool(column.seen) and not _known_roles(column)


def _known_roles(column: Column) -> list[str]:
    """Give the role of each value seen that is one."""
    words = pl.Series(sorted(column.seen or ()), dtype=pl.String)
    read = values.roles(words, is_user=names.IS_USER.get(column.plain))
    return read.filter(pl.col("kind") != "event")["role"].to_list()


def exchange(table: Table, question: str = "", answer: str = "") -> tuple[Column, Column] | None:
    """Find the question and the answer where each row holds both, under these names or usual ones.

    A table that says who speaks, or has a content, has one message to a row.
    """
    is_named = table.column(question) and table.column(answer)
    says_more = says_who_speaks(table) or table.find("content") or looks_like_tool_calls(table)
    if says_more and not is_named:
        return None
    asked = table.column(question) or table.find(*names.QUESTIONS)
    said = table.column(answer) or table.find(*names.ANSWERS)
    if asked is None or said is None or asked == said:
        return None
    return None if not is_named and _is_of_requests(table, asked, said) else (asked, said)


def _is_of_requests(table: Table, asked: Column, said: Column) -> bool:
    """Tell what a server was asked, and how it responded, from a question and its answer."""
    is_vague = asked.plain in names.VAGUE_QUESTIONS and said.plain in names.VAGUE_ANSWERS
    return is_vague and bool(table.find(*names.OF_HTTP)) and not table.find("model", "model_name")


def looks_like_steps(table: Table) -> bool:
    """Ask for a tree of named steps in a conversation, each with its type, input and output."""
    wanted = ("name", "type", "input", "output", "parent_id")
    return conversation_key(table) is not None and all(map(table.find, wanted))


def looks_like_checkpoints(table: Table) -> bool:
    """Ask for the states of LangGraph's threads."""
    return all(map(table.find, ("thread_id", "checkpoint_id", "checkpoint")))


def looks_like_tool_calls(table: Table) -> bool:
    """Ask for a tool's name and arguments, and no role.

    In a table named after calls a result or a status will do in place of the arguments.
    """
    # A table of tools has names and parameters too, but neither results nor a place in a chat.
    is_log = table.find("message_id", *names.CONVERSATION_KEYS, *names.RESULTS) is not None
    extra: tuple[str, ...] = ()
    if is_log and names.TOOL_TABLE.search(_snake(table)):
        extra = ("name", "tool", "function")
    elif is_log and table.find(*names.FLAT["arguments"]):
        extra = ("name", "tool")
    elif is_log and table.find("action_input"):
        extra = ("action",)
    more: tuple[str, ...] = ("action_input",)
    if is_log and is_named_for_calls(table):
        more = (*names.OTHER_ARGUMENTS, *names.RESULTS, "status")
    return (
        table.find(*names.TOOL_NAMES, *extra) is not None
        and table.find(*names.ARGUMENTS, *more) is not None
        and table.find("role", "sender_type", "sender", "author_role") is None
    )


def is_named_for_calls(table: Table) -> bool:
    """Ask for a name that tells of calls, not of the tools there are."""
    return names.CALL_TABLE.search(_snake(table)) is not None


def _snake(table: Table) -> str:
    return Column(table.name, "").plain


def message_rank(table: Table) -> tuple[bool, bool, bool, str]:
    """Order the tables that look like messages: plain names, then what refers to conversations."""
    plain = table.name.lower()
    key = conversation_key(table)
    is_linked = key is not None and refers(table, key)
    is_plain = names.PLAIN_MESSAGE_TABLE.fullmatch(plain) is not None
    return not is_plain, not is_linked, not is_named_for_messages(table), plain


def refers(table: Table, column: Column) -> bool:
    """Whether a column refers to another table."""
    return any(key.column.lower() == column.name.lower() for key in table.foreign_keys)


def is_named_for_messages(table: Table) -> bool:
    """Ask for a name that tells of something said."""
    return names.MESSAGE_TABLE.search(table.name.lower()) is not None


def speaker(table: Table) -> str:
    """Say who speaks in a table without a role column."""
    return "assistant" if names.ANSWER_TABLE.search(table.name.lower()) else "user"


def is_conversation(name: str) -> bool:
    """Ask for the name of a table of conversations."""
    return names.CONVERSATION_TABLE.fullmatch(name.lower()) is not None


def holds_conversations(table: Table) -> Column | None:
    """Find the column of whole conversations: of several messages each, in a row of one's own."""
    named = table.find("messages", "history", "chat_history", "transcript")
    return named if table.find("id", "user_id") and not conversation_key(table) else None


def is_chat(table: Table) -> bool:
    """Tell a conversation from a login's session."""
    has_id = len(table.primary_key) == 1 or table.find(*names.CONVERSATIONS["id"]) is not None
    is_login = table.find(*names.LOGIN) or all(map(table.find, names.LOGIN_PAIR))
    return has_id and not (_is_session(table.name) and is_login)


def conversation_rank(table: Table, messages: Table, key: Column) -> tuple[bool, bool, int, str]:
    """Order the tables that may be the conversations of messages: by their key's name first."""
    plain, what = table.name.lower(), key.plain.removesuffix("_id")
    order = ("conversation", "chat", "thread", "session")
    by_word = next((rank for rank, word in enumerate(order) if word in plain), len(order))
    return not is_beside(table, messages, key), what not in plain, by_word, plain


def is_beside(table: Table, messages: Table, key: Column) -> bool:
    """Ask for the name that goes with messages and their key: `ai_threads` with `ai_messages`."""
    start, said, _ = messages.name.lower().rpartition("message")
    what = key.plain.removesuffix("_id")
    return bool(start and said) and table.name.lower() in (f"{start}{what}", f"{start}{what}s")
