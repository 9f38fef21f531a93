"""Images, audio and other bytes leave the frames: media type, size and hash stay."""

from __future__ import annotations

import hashlib
import re
from base64 import b64decode
from typing import Any

_DATA_URI = re.compile(r"data:([\w.+/-]*)[^,]{0,200};base64,", re.IGNORECASE)
_TYPE_KEYS = ("media_type", "mime_type", "mimeType", "format")
_BYTES_KEYS = ("data", "file_data", "b64_json", "base64")
_SHORTEST = 64


def without_bytes(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Replace base64 content anywhere in a value by what identifies it."""
    if isinstance(value, str):
        match = _DATA_URI.match(value)
        return described(value[match.end() :], match.group(1)) if match else value
    if isinstance(value, list):
        return [without_bytes(item) for item in value]
    if isinstance(value, dict):
        media_type = next((value[key] for key in _TYPE_KEYS if key in value), None)
        return {
            key: described(item, media_type)
            if key in _BYTES_KEYS and isinstance(item, str) and _is_base64(item)
            else without_bytes(item)
            for key, item in value.items()
        }
    return value


def described(text: str, media_type: object = None) -> dict[str, Any]:
    """Describe base64 text: media type, decoded size and hash."""
    try:
        data = b64decode(text)
    except ValueError:
        data = text.encode()
    return identified(data, media_type)


def identified(data: bytes, media_type: object = None) -> dict[str, Any]:
    """Describe bytes: media type, size and hash."""
    return {
        "media_type": media_type or None,
        "n_bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
    }


def _is_base64(text: str) -> bool:
    return len(text) >= _SHORTEST and " " not in text[:256]
