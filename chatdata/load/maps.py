"""Mappings of an analyst's own tables, as they are written down: flags and TOML.

In a file, keys stand as they are on the command line (`role = "author"`), or below the frame they
are about; `table` names its table, and a table `role` what values of the role stand for:

    [messages]
    table = "log"
    role = "author"

    [role]
    0 = "user"

    [conversations]
    title = "subject"
"""

from __future__ import annotations

import json
import shlex
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from chatdata.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Mapping


def read_map(path: str | Path) -> dict[str, str]:
    """Read a mapping from a TOML file.

    Raises:
        SourceError: it is not there, is no TOML, or maps something to what is no name.
    """
    where = str(path)
    try:
        written = tomllib.loads(Path(path).expanduser().read_text(encoding="utf-8"))
    except OSError as error:
        reason = error.strerror or "unknown reason"
        raise SourceError(f"cannot be opened: {reason}", source=where) from error
    except ValueError as error:
        raise SourceError(f"not TOML: {error}", source=where) from error
    found: dict[str, str] = {}
    for key, value in written.items():
        below = value if isinstance(value, dict) else {"table": value}
        for name, column in below.items():
            if not isinstance(column, str):
                raise SourceError(f"{key} maps to no name; write it in quotes", source=where)
            found[key if name == "table" else f"{key}.{name}"] = column
    return found


def as_flags(mapping: Mapping[str, str]) -> str:
    """Write a mapping as it is typed in a terminal."""
    return " ".join(f"--map {shlex.quote(f'{key}={value}')}" for key, value in mapping.items())


def as_toml(mapping: Mapping[str, str]) -> str:
    """Write a mapping as a TOML file."""
    lines = (f"{_key(key)} = {json.dumps(value)}" for key, value in mapping.items())
    return "\n".join(lines)


def _key(key: str) -> str:
    return json.dumps(key) if "." in key else key
