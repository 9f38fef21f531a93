"""The names that applications give to the tables and columns of their chats.

In lower snake case, and in the order in which they are tried.
"""

from __future__ import annotations

import re

from chatdata.tool_calls import items
from chatdata.tool_calls.outcome import SUCCESS

CONVERSATION_KEYS = ("conversation_id", "session_id", "thread_id", "chat_id")
TEXTS = ("content", "message", "response", "text", "body", "parts")
PARTS = ("parts", "content_parts", "message_parts", "content_blocks")
"""Columns that hold a message as a list of parts, beside its text."""
ROLES = (
    *("role", "sender_type", "sender", "author_role", "author", "message_role", "sender_role"),
    *("speaker", "type", "direction", "message_type"),
)
_PEOPLE = ("user", "human")
_MODELS = ("bot", "ai", "assistant", "agent", "model", "llm", "chatbot")
_ASKED = ("message", "question", "query", "prompt", "input", "text", "request")
_TOLD = ("message", "answer", "response", "reply", "output", "text")
IS_USER = {
    name: who in _PEOPLE
    for start in ("is_", "from_", "is_from_", "sent_by_", "is_sent_by_")
    for who in (*_PEOPLE, *_MODELS)
    for name in (f"{start}{who}", f"{start}{who}_message", f"{start}{who}_response")
} | dict.fromkeys(("ai_generated", "is_ai_generated", "generated_by_ai"), False)
"""Columns that say only whether a person speaks, and which of the two a true one means."""
SPEAKERS = (*ROLES, *IS_USER)
OTHER_ROLES = (
    *("user_type", "author_type", "participant_type", "actor_type", "speaker_type", "from_type"),
    *("message_from", "sent_by", "sent_from", "from", "participant", "actor", "party", "kind"),
    *("rol", "source", "origin", "msg_type", "created_by"),
)
"""Columns that say who speaks only where what they hold are roles."""
VAGUE_ROLES = ("participant", "actor", "party", "kind", "source", "origin", "created_by")
"""Those of them that logs of anything have: only what a chat has says there who speaks."""
MAY_SPEAK = (*SPEAKERS, *OTHER_ROLES)
QUESTIONS = (
    *("question", "query", "prompt", "request"),
    *(f"{who}_{said}" for who in _PEOPLE for said in _ASKED),
    *("human", "message", "input", "text"),
)
ANSWERS = (
    *("answer", "response", "reply", "completion"),
    *(f"{who}_{said}" for who in _MODELS for said in _TOLD),
    *("bot", "ai", "output"),
)
VAGUE_QUESTIONS = ("request", "message", "input", "text")
VAGUE_ANSWERS = ("response", "output")
OF_HTTP = (
    *("method", "http_method", "request_method", "status_code", "http_status", "response_code"),
    *("url", "uri", "path", "route", "user_agent", "remote_addr", "content_type", "headers"),
)
"""What a log of requests to a server has, whose responses are nobody's answers."""
LOG_LEVELS = ("level", "log_level", "levelname", "severity")
LOG_PLACES = ("target", "module_path", "module", "logger", "logger_name", "file", "filename")
"""What a program's own log has beside its levels."""
TIMES = (
    *("created_at", "timestamp", "sent_at", "started_at", "executed_at", "time", "date"),
    *("created_date", "created_on", "created_time", "create_time", "date_created", "inserted_at"),
    *("created", "create_date", "datetime", "ts"),
)
DAY_AND_CLOCK = (
    *(("date", "time"), ("created_date", "created_time"), ("message_date", "message_time")),
    *(("sent_date", "sent_time"), ("chat_date", "chat_time")),
)
"""Columns that hold a time only together."""
SEQUENCES = ("sequence_number", "sequence", "seq", "position", "idx")
CALL_COLUMNS = (
    *("tool_calls", "tool_call_results", "used_tools", "tool_invocations", "function_calls"),
    *("function_call", "tool_call", "tool_calls_json", "toolcalls", "tools_used", "tool_uses"),
)
CALL_NAMES = ("used_tools", "tools_used", "tool_uses")
"""Columns of calls that may hold mere names, with commas between them."""
CALL_OBJECTS = (  # and metadata_, which is plain
    *("message_metadata", "metadata_json", "metadata", "meta", "extra", "extra_data"),
    *("additional_kwargs", "additional_data", "payload", "data", "details"),
)
CALL_KEYS = ("tool_call_id", "call_id")
COMPANIONS = ("tool_output", "tool_outputs", "tool_results", "tool_responses")
TOOL_NAMES = ("tool_name", "function_name")
OTHER_ARGUMENTS = ("function_arguments", "action_input", "request", "payload", "kwargs")
"""What the arguments are called too in a table of calls."""
ARGUMENTS = tuple(name for name in items.ARGUMENTS if name not in OTHER_ARGUMENTS)
RESULTS = (*items.RESULTS, "observation")
USERS = ("user_id", "owner_id", "account_id")
PEOPLE = (
    *("user", "userid", "uid", "user_uuid", "user_fk", "owner", "account", "customer_id"),
    *("customer", "client_id", "member_id", "student_id", "profile_id"),
)
"""Columns that name a user where they refer to a table of users."""
OWNERS = (*PEOPLE, "created_by", "created_by_id", "creator_id", "author_id", "started_by")
"""Columns of conversations that do so; of a message its author may be a bot with a user's row."""
USER_TABLE = re.compile(
    r"(\w+_)?(user|account|profile|customer|client|member|student|person|people)s?"
)
# Who handled a conversation is not whose it is.
HANDLED = re.compile(
    r"(\w+_)?(updat|modifi|edit|delet|archiv|assign|clos|resolv|approv|review|agent|bot|assist)\w*"
)

ROLE_VALUE = "role."
"""What keys of a mapping begin with that say what a value of the role stands for."""
MESSAGES = {
    "id": ("id", "message_id", "uuid"),
    "conversation_id": CONVERSATION_KEYS,
    "user_id": USERS,
    "role": SPEAKERS,
    "content": TEXTS,
    "parts": PARTS,
    "created_at": TIMES,
    "sequence": SEQUENCES,
    "tool_call_id": ("tool_call_id",),
    "reasoning": ("reasoning", "thinking"),
    "model": ("model", "model_name"),
    "finish_reason": ("finish_reason", "stop_reason"),
    "input_tokens": ("input_tokens",),
    "output_tokens": ("output_tokens",),
    "cache_read_tokens": ("cache_read_tokens",),
    "cache_write_tokens": ("cache_write_tokens",),
    "reasoning_tokens": ("reasoning_tokens",),
}
GENERATED = tuple(MESSAGES)[tuple(MESSAGES).index("tool_call_id") :]
"""What only a message that was generated has."""
CONVERSATIONS = {
    "id": ("id", "conversation_id", "session_id", "thread_id", "chat_id", "uuid"),
    "user_id": USERS,
    "title": ("title", "name"),
    "model": ("model", "model_name"),
    "agent": ("agent", "agent_name"),
    "project": ("project", "project_name"),
    "created_at": ("created_at", "timestamp", "started_at", "time", "date"),
    "updated_at": ("updated_at", "last_message_at", "last_activity", "last_activity_at"),
}
TOOL_CALLS = {
    "id": ("id", "uuid"),
    "native_id": ("native_id", "tool_call_id", "call_id"),
    "message_id": ("message_id",),
    "conversation_id": CONVERSATION_KEYS,
    "user_id": USERS,
    "name": (*TOOL_NAMES, "name", "tool", "function", "action"),
    "arguments": (*ARGUMENTS, *OTHER_ARGUMENTS),
    "result": RESULTS,
    "success": SUCCESS,
    "is_error": ("is_error",),
    "status": ("status", "tool_status"),
    "error": ("error", "error_message", "tool_error"),
    "position": ("position", *SEQUENCES[:3]),
    "started_at": ("started_at", "start_time", "start"),
    "ended_at": ("ended_at", "completed_at", "finished_at", "end_time", "end"),
    "duration_ms": ("duration_ms", "execution_time_ms", "execution_ms", "latency_ms"),
    "created_at": TIMES,
}
FLAT = {
    "native_id": CALL_KEYS,
    "name": ("tool_used", *TOOL_NAMES),
    "arguments": ("tool_parameters", "tool_input", "tool_arguments", "tool_args"),
    "result": ("tool_result", "tool_output"),
    "success": ("tool_success",),
    "status": ("tool_status",),
    "error": ("tool_error",),
}
OF_RESULTS = {
    "result": ("tool_result", "tool_response", *COMPANIONS),
    "success": (*SUCCESS, "tool_success"),
    "is_error": ("is_error",),
    "status": ("tool_status", "status"),
    "error": ("tool_error", "error", "error_message"),
    "name": ("name",),
}
"""What says of a message that is the result of a call what was returned, and how that ended."""

LOGIN = (
    *("token", "session_token", "access_token", "refresh_token", "expires_at", "expires"),
    *("sid", "sess", "expire", "expired", "expiry"),
)
LOGIN_PAIR = ("payload", "last_activity")
"""Columns that make a session a login's only together."""

PLAIN_MESSAGE_TABLE = re.compile(r"(chat|conversation)?_?messages?")
MESSAGE_TABLE = re.compile(
    r"message|question|prompt|query|queries|response|answer|reply|replies|histor(y|ies)|transcript"
    r"|^(chat_?)?logs?$"
)
CONVERSATION_TABLE = re.compile(
    r"(chat_?)?(conversation|session|thread)s?|conversation_?sessions|chats?"
)
# Sessions of many other things there are: of logins, of trainings, of games.
LONGER_TABLE = re.compile(
    r"\w+_(conversation|thread|chat)s?|(\w+_)?(ai|bot|agent|assistant|llm|copilot|chat)_sessions?"
)
QUESTION_TABLE = re.compile(r"question|prompt|query|queries")
ANSWER_TABLE = re.compile(r"response|answer|reply|replies")
TOOL_TABLE = re.compile(r"tool|function")
CALL_TABLE = re.compile(r"(tool|function)_?(call|use|usage|execution|invocation|run|result|output)")
