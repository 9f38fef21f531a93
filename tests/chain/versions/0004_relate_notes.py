"""Relate notes to threads.

Revision ID: 0004
Revises: 0003
"""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

phase = "expand"
loses = None


def upgrade() -> None:
    """Add the foreign key."""
    op.add_fk("fk_notes_thread_id", "notes", "thread_id", "threads", ondelete="CASCADE")


def downgrade() -> None:
    """Drop the foreign key."""
    with op.safe_batch("notes") as batch:
        batch.drop_constraint(op.f("fk_notes_thread_id"), type_="foreignkey")
