"""Which tools do the same kind of thing: names of tools, put into groups.

A bundled file, `taxonomy.toml` beside this one, groups the tools of well-known agents and what
names of an application's own tools say; an analyst's own file has the same form:

```toml
[groups]
search = ["grep", "find_*"]     # case does not matter, `*` stands for anything
write = ["edit", "write_file"]
```
"""

from __future__ import annotations

import re
import tomllib
from fnmatch import translate
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from chatdata.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

_BUNDLED = "taxonomy.toml"


def read(path: Path) -> dict[str, str]:
    """Read which group each name belongs to, in the order of the file.

    Raises:
        SourceError: the file is missing, is no TOML, or a group is no list of names.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise SourceError(
            f"the taxonomy cannot be read: {error.strerror}", source=str(path)
        ) from None
    except UnicodeDecodeError:
        raise SourceError("found no UTF-8, expected TOML", source=str(path)) from None
    return _parsed(text, str(path))


@cache
def bundled() -> dict[str, str]:
    """Give what the bundled file says."""
    text = files("chatdata.analysis").joinpath(_BUNDLED).read_text(encoding="utf-8")
    return _parsed(text, _BUNDLED)


def grouped(names: Iterable[str], groups: Mapping[str, str] | None = None) -> dict[str, list[str]]:
    """Put tools into groups; what fits no name is in none.

    Args:
        names: tools, each once.
        groups: from a name, with `*` or without, to its group; the first name that fits counts.
            None is the bundled file.

    Returns:
        From each group that has any to its tools, in the order in which groups are first named.
    """
    known = bundled() if groups is None else groups
    patterns = [(re.compile(translate(name.lower())), group) for name, group in known.items()]
    found: dict[str, list[str]] = {group: [] for group in known.values()}
    for name in names:
        group = _group(name.lower(), patterns)
        if group is not None:
            found[group].append(name)
    return {group: tools for group, tools in found.items() if tools}


def _group(name: str, patterns: list[tuple[re.Pattern[str], str]]) -> str | None:
    last = name.rsplit("__", 1)[-1]
    fits = (group for pattern, group in patterns if pattern.match(name) or pattern.match(last))
    return next(fits, None)


def _parsed(text: str, source: str) -> dict[str, str]:
    try:
        groups: Any = tomllib.loads(text).get("groups")
    except tomllib.TOMLDecodeError:
        groups = None
    if not isinstance(groups, dict):
        raise SourceError("found no TOML with a [groups] table", source=source)
    found: dict[str, str] = {}
    for group, names in groups.items():
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise SourceError(f"groups.{group}: expected a list of tool names", source=source)
        for name in names:
            found.setdefault(name, group)
    return found
