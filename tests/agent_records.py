"""Records of coding agents' sessions, as short as they can be."""

from __future__ import annotations

import json

import chatdata as cd

META = {
    "timestamp": "2025-03-01T10:00:00.000Z",
    "type": "session_meta",
    "payload": {"id": "s", "timestamp": "2025-03-01T10:00:00.000Z", "cwd": "/w", "originator": "x"},
}


def scanned(folder, name, records):
    """
    A session file of these records.
    """
    path = folder / name
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return cd.scan(path)


def record(kind, number, body, session="S", **more):
    return {
        "type": kind,
        "sessionId": session,
        "uuid": f"{session}.{number}",
        "parentUuid": f"{session}.{number - 1}" if number else None,
        "timestamp": f"2025-03-01T10:00:{number:02}.000Z",
        "message": body,
        **more,
    }


def item(payload, second):
    return {
        "timestamp": f"2025-03-01T10:00:{second:02}.000Z",
        "type": "response_item",
        "payload": payload,
    }
