"""What Alembic runs for every command; all of it is in `chatdata.migrate.environment`."""

from __future__ import annotations

from alembic import context

from chatdata.migrate import environment

environment.run(context)
