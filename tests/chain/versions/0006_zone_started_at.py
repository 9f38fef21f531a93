"""Give threads.started_at a zone.

Revision ID: 0006
Revises: 0005
"""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

phase = "expand"
loses = None


def upgrade() -> None:
    """Stored values mean UTC, and go on to."""
    op.naive_to_utc("threads", "started_at", dropping=["ix_threads_started_at"])


def downgrade() -> None:
    """Take the zone away again; what is shown in UTC is what is kept."""
    if op.get_context().dialect.name == "postgresql":
        op.execute("SET LOCAL TimeZone = 'UTC'")
        op.execute("ALTER TABLE threads ALTER COLUMN started_at TYPE timestamp")
        op.create_index(op.f("ix_threads_started_at"), "threads", ["started_at"])
