"""Why a text is no JSON object.

A kernel: texts in, a fixed phrase out for each, never a word of the text; nothing of an engine.
"""

from __future__ import annotations

import msgspec

_KINDS: dict[type, str] = {list: "an array", str: "a text in quotes", int: "a number"}
_FAULTS = {
    "Input data was truncated": "cut short",
    "trailing characters": "text after its end",
    "trailing comma": "a comma too many",
    "object keys must be strings": "keys without double quotes",
    "invalid escape": "a bad escape",
}
_CHARACTERS = {
    "'": "single quotes",
    **dict.fromkeys("NITFu", "a word of Python or JavaScript"),
    **dict.fromkeys(map(chr, range(32)), "a raw control character"),
}
_decode = msgspec.json.Decoder().decode


def defect(text: str | None) -> str:
    """Say what keeps a text from being a JSON object.

    Returns:
        `nothing`, `in a code fence`, `plain text`, `an array`, `a text in quotes`, `a number`,
        `another value`, `cut short`, `text after its end`, `a comma too many`,
        `keys without double quotes`, `single quotes`, `a word of Python or JavaScript`,
        `a raw control character`, `a bad escape`, `nested too deeply` or `malformed`.
    """
    start = (text or "").lstrip()
    if not start:
        return "nothing"
    if start.startswith("```"):
        return "in a code fence"
    try:
        return _KINDS.get(type(_decode(start)), "another value")
    except RecursionError:
        return "nested too deeply"
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        return _fault(start, str(error)) if start[0] in "{[" else "plain text"


def _fault(text: str, said: str) -> str:
    for words, fault in _FAULTS.items():
        if words in said:
            return fault
    _, _, place = said.rpartition("(byte ")
    if "invalid character" not in said or not place:
        return "malformed"
    return _CHARACTERS.get(chr(text.encode()[int(place[:-1])]), "malformed")
