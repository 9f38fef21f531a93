"""Schema changes that can be trusted with production data, on SQLite and PostgreSQL.

`upgrade(url)` creates a database at head or brings one there. `connect(url)` opens a connection
that is safe to migrate on, for programs that want to hold it themselves.
"""

from __future__ import annotations

from chatdata.migrate import author, backfill, fleet, guard
from chatdata.migrate.adoption import Adoption, adopt
from chatdata.migrate.backups import backup, restore
from chatdata.migrate.checksums import verify
from chatdata.migrate.copying import Copied, copy
from chatdata.migrate.drift import Difference, drift
from chatdata.migrate.engine import connect, label
from chatdata.migrate.lint import lint
from chatdata.migrate.plans import Plan, apply, plan
from chatdata.migrate.runner import Run, current_revision, downgrade, lossy, pending, upgrade
from chatdata.migrate.status import status

__all__ = [
    "Adoption",
    "Copied",
    "Difference",
    "Plan",
    "Run",
    "adopt",
    "apply",
    "author",
    "backfill",
    "backup",
    "connect",
    "copy",
    "current_revision",
    "downgrade",
    "drift",
    "fleet",
    "guard",
    "label",
    "lint",
    "lossy",
    "pending",
    "plan",
    "restore",
    "status",
    "upgrade",
    "verify",
]
