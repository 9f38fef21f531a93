"""Schema changes that can be trusted with production data, on SQLite and PostgreSQL.

`upgrade(url)` creates a database at head or brings one there. `connect(url)` opens a connection
that is safe to migrate on, for programs that want to hold it themselves.
"""

from __future__ import annotations

from chatdata.migrate.engine import connect, label
from chatdata.migrate.runner import Run, current_revision, downgrade, pending, upgrade

__all__ = ["Run", "connect", "current_revision", "downgrade", "label", "pending", "upgrade"]
