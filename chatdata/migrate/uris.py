"""SQLite files that are named by a URI, as SQLAlchemy takes them: `file:/path/to.db?uri=true`.

Everything else here goes by the path: a backup, a journal, whether the file is there at all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from chatdata.errors import MigrationError

if TYPE_CHECKING:
    import sqlalchemy as sa

_OPENING = ("cache", "immutable", "mode", "modeof", "nolock", "psow", "vfs")
_TRUE = ("1", "on", "t", "true", "y", "yes")


def named_by_path(url: sa.URL) -> sa.URL:
    """Give the URL of the same SQLite file by its path.

    Raises:
        MigrationError: it says how the file is to be opened, which is ours to say (exit code 2).
    """
    if asked := [name for name in _OPENING if name in url.query]:
        raise MigrationError(
            f"how an SQLite file is opened cannot be said in its URL; found {', '.join(asked)}",
            then="run the same command with sqlite:///path/to.db alone; what only looks at a "
            "database opens it for reading",
            exit_code=2,
        )
    is_uri = str(url.query.get("uri", "")).lower() in _TRUE
    plain = url.difference_update_query(["uri"])
    if not is_uri or not (plain.database or "").startswith("file:"):
        return plain
    return plain.set(database=unquote(urlsplit(plain.database).path))
