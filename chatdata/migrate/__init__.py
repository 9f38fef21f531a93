"""Schema changes that can be trusted with production data, on SQLite and PostgreSQL.

`upgrade(url)` creates a database at head or brings one there. `connect(url)` opens a connection
that is safe to migrate on, for programs that want to hold it themselves. Names are resolved when
they are first used: an upgrade needs neither Polars nor Arrow.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chatdata.migrate import author, backfill, fleet, guard
    from chatdata.migrate.adoption import Adoption, adopt
    from chatdata.migrate.backups import backup, restore
    from chatdata.migrate.checksums import verify
    from chatdata.migrate.copying import Copied, copy
    from chatdata.migrate.differences import Difference, drift
    from chatdata.migrate.engine import connect, label
    from chatdata.migrate.overview import databases_of, example, status
    from chatdata.migrate.plans import Plan, apply, plan
    from chatdata.migrate.rules import lint
    from chatdata.migrate.runner import Run, current_revision, downgrade, lossy, pending, upgrade

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
    "databases_of",
    "downgrade",
    "drift",
    "example",
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

_MODULES = ("author", "backfill", "fleet", "guard")
_HOMES = {
    "adoption": ("Adoption", "adopt"),
    "backups": ("backup", "restore"),
    "checksums": ("verify",),
    "copying": ("Copied", "copy"),
    "differences": ("Difference", "drift"),
    "engine": ("connect", "label"),
    "overview": ("databases_of", "example", "status"),
    "plans": ("Plan", "apply", "plan"),
    "rules": ("lint",),
    "runner": ("Run", "current_revision", "downgrade", "lossy", "pending", "upgrade"),
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - the attribute's own type, seen by checkers above
    if name in _MODULES:
        return import_module(f"chatdata.migrate.{name}")
    home = next((module for module, names in _HOMES.items() if name in names), None)
    if home is None:
        raise AttributeError(f"module 'chatdata.migrate' has no attribute {name!r}")
    return getattr(import_module(f"chatdata.migrate.{home}"), name)
