"""Index threads by time again.

Revision ID: 0007
Revises: 0006
"""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

phase = "expand"
loses = None


def upgrade() -> None:
    """Create the index, which SQLite still has under its old name."""
    op.add_index("ix_threads_started_at_utc", "threads", ["started_at"])


def downgrade() -> None:
    """Drop the index."""
    op.drop_index(op.f("ix_threads_started_at_utc"), table_name="threads")
