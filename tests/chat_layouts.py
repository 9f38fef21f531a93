"""One small chat in many layouts; with each the calls that can be read from it."""

from __future__ import annotations

import json

from chat_tables import conversations, messages, table

# The chat: what is said, when, and two calls on the first answer.
T1, T2, T3, T4 = (f"2025-03-01 10:00:0{second}.000{second}00" for second in (1, 2, 3, 4))
SAID = ("Add milk, close 7", "Half done", "Thanks", "Welcome")
SPOKEN = [
    ("user", "Add milk, close 7"),
    ("assistant", "Half done"),
    ("user", "Thanks"),
    ("assistant", "Welcome"),
]
ADD, CLOSE = {"title": "milk"}, {"task_id": 7}
DONE, FAILED = {"success": True}, {"success": False, "error": "no task 7"}
WHOLE = [
    ("add_task", '{"title":"milk"}', '{"success":true}', "ok"),
    ("complete_task", '{"task_id":7}', '{"success":false,"error":"no task 7"}', "error"),
]
NO_RESULTS = [(name, arguments, None, "unknown") for name, arguments, *_ in WHOLE]
NAMES_ONLY = [(name, None, None, "unknown") for name, *_ in WHOLE]

C1, C2 = "11111111-2222-4333-8444-555555555555", "99999999-8888-4777-8666-aaaaaaaaaaaa"
M = [f"0000000{n}-aaaa-4bbb-8ccc-dddddddddddd" for n in (3, 1, 4, 2)]
U1 = "abcdefab-1234-4234-8234-abcdefabcdef"
NO_USER = "id INTEGER PRIMARY KEY, conversation_id INTEGER, role VARCHAR(20), content TEXT,"
BARE = f"{NO_USER} created_at TIMESTAMP"
LINKED = [(1, "u1", T1), (2, "u2", T1)]
PLAIN = [(1, 1, "user", SAID[0], T1), (2, 1, "assistant", SAID[1], T2)]
PLAIN += [(3, 1, "user", SAID[2], T3), (4, 1, "assistant", SAID[3], T4)]


def items(name="tool", arguments="parameters", result="result"):
    found = [
        {name: "add_task", arguments: ADD, result: DONE},
        {name: "complete_task", arguments: CLOSE, result: FAILED},
    ]
    return [{key: value for key, value in item.items() if key} for item in found]


def in_column(stored, none=None, declared="TEXT", name="tool_calls"):
    """
    The two usual tables, with the calls as `stored` in a column of the first answer.
    """
    columns = f"{NO_USER} {name} {declared}, created_at TIMESTAMP"
    kept = [(*row[:4], stored if row[0] == 2 else none, row[4]) for row in PLAIN]
    return conversations(*LINKED), messages(*kept, columns=columns)


def uuids(conversation, message, user="VARCHAR(36)", *, dashed):
    """
    Ids stored with or without dashes, conversation keys on either side as told.
    """

    def of(key, kind):
        return key if "36" in kind else key.replace("-", "")

    calls = json.dumps(items())
    said = zip(M, ("USER", "ASSISTANT", "USER", "ASSISTANT"), SAID, (T1, T2, T3, T4), strict=True)
    return (
        conversations(
            (of(C1, conversation), of(U1, user), T1),
            (of(C2, conversation), of(U1, user), T1),
            columns=f"id {conversation} PRIMARY KEY, user_id {user}, created_at TIMESTAMP",
        ),
        messages(
            *(
                (
                    of(key, message),
                    of(C1, dashed),
                    role,
                    text,
                    calls if role != "USER" and text == SAID[1] else None,
                    at,
                )
                for key, role, text, at in said
            ),
            columns=f"id {message} PRIMARY KEY, conversation_id {dashed}, role VARCHAR(9),"
            " content TEXT, tool_calls TEXT, created_at TIMESTAMP",
        ),
    )


def call_table(columns, *kept, name="tool_calls"):
    return conversations(*LINKED), messages(*PLAIN, columns=BARE), table(name, columns, *kept)


CALL = "id INTEGER PRIMARY KEY, message_id INTEGER, tool_name VARCHAR(50), arguments TEXT,"
LAYOUTS = {
    "the application's own": (
        (
            conversations(*LINKED),
            messages(
                *(
                    (row[0], "u1", *row[1:4], json.dumps(items()) if row[0] == 2 else None, row[4])
                    for row in PLAIN
                )
            ),
        ),
        WHOLE,
    ),
    "a JSON column with null texts": (in_column(json.dumps(items()), "null", "JSON"), WHOLE),
    "empty lists": (in_column(json.dumps(items("name", "args")), "[]"), WHOLE),
    "encoded twice": (in_column(json.dumps(json.dumps(items("tool_name"))), "null"), WHOLE),
    "a wrapper": (in_column(json.dumps({"calls": items("tool", "args")}), "{}"), WHOLE),
    "another wrapper": (in_column(json.dumps({"tools": items("tool", "input")})), WHOLE),
    "Python's words": (in_column(str(items()), "None"), WHOLE),
    "in tool_call_results": (
        in_column(json.dumps(items("tool_name")), name="tool_call_results"),
        WHOLE,
    ),
    "without results": (
        in_column(
            json.dumps(
                [
                    {"name": "add_task", "arguments": json.dumps(ADD)},
                    {"name": "complete_task", "arguments": json.dumps(CLOSE)},
                ]
            )
        ),
        NO_RESULTS,
    ),
    "names in metadata": (
        in_column(
            json.dumps({"tool_calls": ["add_task", "complete_task"], "ms": 8}),
            '{"ms": 3}',
            name="message_metadata",
        ),
        NAMES_ONLY,
    ),
    "whole calls in metadata_": (
        in_column(json.dumps({"tool_calls": items("name")}), "null", "JSON", "metadata_"),
        WHOLE,
    ),
    "a metadata column that is no JSON at all": (
        in_column("from the web", "from the app", name="metadata"),
        [],
    ),
    "flat columns": (
        (
            conversations(*LINKED),
            messages(
                *(
                    (
                        *row[:4],
                        *(
                            ("add_task", json.dumps(ADD), json.dumps(DONE))
                            if row[0] == 2
                            else (None, None, None)
                        ),
                        row[4],
                    )
                    for row in PLAIN
                ),
                columns=f"{NO_USER} tool_used TEXT, tool_parameters TEXT, tool_result TEXT,"
                " created_at TIMESTAMP",
            ),
        ),
        WHOLE[:1],
    ),
    "results in a column beside": (
        (
            conversations(*LINKED),
            messages(
                *(
                    (
                        *row[:4],
                        json.dumps(
                            [
                                {
                                    "id": "a",
                                    "function": {"name": "add_task", "arguments": json.dumps(ADD)},
                                },
                                {
                                    "id": "b",
                                    "function": {
                                        "name": "complete_task",
                                        "arguments": json.dumps(CLOSE),
                                    },
                                },
                            ]
                        )
                        if row[0] == 2
                        else None,
                        str(
                            [
                                {"tool_call_id": "b", "content": json.dumps(FAILED)},
                                {"tool_call_id": "a", "content": json.dumps(DONE)},
                            ]
                        )
                        if row[0] == 2
                        else None,
                        row[4],
                    )
                    for row in PLAIN
                ),
                columns=f"{NO_USER} tool_calls TEXT, tool_output TEXT, created_at TIMESTAMP",
            ),
        ),
        WHOLE,
    ),
    "no calls kept": ((conversations(*LINKED), messages(*PLAIN, columns=BARE)), []),
    "an empty table of calls": (call_table(f"{CALL} result TEXT"), []),
    "a table of calls": (
        call_table(
            f"{CALL} result TEXT, FOREIGN KEY (message_id) REFERENCES messages (id)",
            (1, 2, "add_task", json.dumps(ADD), json.dumps(DONE)),
            (2, 2, "complete_task", json.dumps(CLOSE), json.dumps(FAILED)),
        ),
        WHOLE,
    ),
    "a table of calls in doubly encoded text": (
        call_table(
            f"{CALL} result TEXT",
            (1, 2, "add_task", json.dumps(json.dumps(ADD)), json.dumps(json.dumps(DONE))),
            (2, 2, "complete_task", json.dumps(json.dumps(CLOSE)), json.dumps(json.dumps(FAILED))),
            name="tool_executions",
        ),
        WHOLE,
    ),
    "hex uuids": (uuids("CHAR(32)", "CHAR(32)", dashed="CHAR(32)"), WHOLE),
    "dashed uuids": (uuids("CHAR(36)", "CHAR(36)", dashed="CHAR(36)"), WHOLE),
    "hex uuids that dashed ones refer to": (
        uuids("CHAR(32)", "CHAR(36)", dashed="CHAR(36)"),
        WHOLE,
    ),
    "dashed uuids that hex ones refer to": (
        uuids("CHAR(36)", "CHAR(32)", dashed="CHAR(32)"),
        WHOLE,
    ),
    "singular names that are reserved words": (
        (
            table('"user"', "id VARCHAR(36) PRIMARY KEY, email TEXT", ("u1", "a@example.org")),
            conversations(*LINKED, name="conversation"),
            messages(
                *((row[0], row[1], row[2], row[3], row[4], "x") for row in PLAIN),
                name="message",
                columns='id INTEGER PRIMARY KEY, conversation_id INTEGER, "role" TEXT, content'
                ' TEXT, created_at TIMESTAMP, "order" TEXT',
            ),
        ),
        [],
    ),
    "camelCase": (
        (
            table(
                '"Conversation"',
                '"id" INTEGER PRIMARY KEY, "userId" TEXT, "createdAt" TIMESTAMP',
                *LINKED,
            ),
            table(
                '"ChatMessage"',
                '"id" INTEGER PRIMARY KEY, "conversationId" INTEGER, "senderType"'
                ' TEXT, "content" TEXT, "toolCalls" TEXT, "createdAt" TIMESTAMP',
                *(
                    (*row[:4], json.dumps(items("toolName")) if row[0] == 2 else None, row[4])
                    for row in PLAIN
                ),
            ),
        ),
        WHOLE,
    ),
    "sessions and bots": (
        (
            table(
                "chat_sessions",
                "id TEXT PRIMARY KEY, user_id TEXT, started_at TIMESTAMP",
                ("s-1", "u1", T1),
                ("s-2", "u2", T1),
            ),
            table(
                "chat_messages",
                "id TEXT PRIMARY KEY, session_id TEXT, sender TEXT, message TEXT,"
                ' "timestamp" TIMESTAMP',
                *(
                    (f"m{row[0]}", "s-1", "human" if row[2] == "user" else "BOT", row[3], row[4])
                    for row in PLAIN
                ),
            ),
        ),
        [],
    ),
    "threads": (
        (
            table(
                "threads",
                "id INTEGER PRIMARY KEY, owner_id INTEGER, created_at TIMESTAMP",
                (1, 5, T1),
                (2, 6, T1),
            ),
            table(
                "posts",
                "id INTEGER PRIMARY KEY, thread_id INTEGER, author TEXT, body TEXT,"
                " sent_at TIMESTAMP",
                *(
                    (row[0], row[1], "Human" if row[2] == "user" else "AI_AGENT", *row[3:])
                    for row in PLAIN
                ),
            ),
        ),
        [],
    ),
    "questions and answers apart": (
        (
            conversations(*LINKED),
            table(
                "user_messages",
                "id INTEGER PRIMARY KEY, conversation_id INTEGER, content TEXT,"
                " created_at TIMESTAMP",
                *((r[0], r[1], r[3], r[4]) for r in PLAIN[0::2]),
            ),
            table(
                "ai_responses",
                "id INTEGER PRIMARY KEY, conversation_id INTEGER, content TEXT,"
                " tool_calls TEXT, created_at TIMESTAMP",
                *(
                    (r[0] - 1, r[1], r[3], json.dumps(items()) if r[0] == 2 else None, r[4])
                    for r in PLAIN[1::2]
                ),
            ),
        ),
        WHOLE,
    ),
    "no table of conversations": (
        (
            table(
                "chat_history",
                "id INTEGER PRIMARY KEY, session_id VARCHAR(9), user_id TEXT,"
                " role TEXT, text TEXT, created_at TIMESTAMP",
                *((row[0], "one", "u1", *row[2:]) for row in PLAIN),
            ),
        ),
        [],
    ),
    "a sequence that contradicts the ids": (
        (
            conversations(*LINKED),
            messages(
                *((9 - r[0], 1, r[2], r[3], r[0] * 10, T1) for r in PLAIN),
                columns=f"{NO_USER} sequence_number INTEGER, created_at TIMESTAMP",
            ),
        ),
        [],
    ),
    "random ids, one moment for question and answer": (
        (
            conversations(*LINKED),
            messages(
                ("zz", 1, "assistant", SAID[1], T1),
                ("zy", 1, "user", SAID[0], T1),
                ("aa", 1, "assistant", SAID[3], T3),
                ("bb", 1, "user", SAID[2], T3),
                columns=BARE.replace("id INTEGER", "id TEXT", 1),
            ),
        ),
        [],
    ),
    "integer ids, everything at one moment": (
        (conversations(*LINKED), messages(*((*r[:4], T1) for r in PLAIN[::-1]), columns=BARE)),
        [],
    ),
    "no ids and no keys": (
        (
            table("conversations", "id INTEGER, user_id TEXT", (1, "u1"), (2, "u2")),
            messages(
                *(row[1:] for row in PLAIN), columns=BARE.replace("id INTEGER PRIMARY KEY, ", "", 1)
            ),
        ),
        [],
    ),
    "names with quotes, spaces and letters beyond ASCII": (
        (
            table(
                '"conversations"',
                '"id" INTEGER PRIMARY KEY, "User Id" TEXT',
                *(r[:2] for r in LINKED),
            ),
            table(
                '"chät ""messages"""',
                '"id" INTEGER PRIMARY KEY, "Conversation Id" INTEGER,'
                ' "role" TEXT, "content" TEXT, "Created At" TIMESTAMP, "it\'s ""odd""; --" TEXT',
                *((*row, "kept") for row in PLAIN),
            ),
        ),
        [],
    ),
}
