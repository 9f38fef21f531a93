"""Require names.

Revision ID: 0005
Revises: 0004
"""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

phase = "expand"
loses = None


def upgrade() -> None:
    """Forbid people without a name."""
    op.set_not_null("people", "name")


def downgrade() -> None:
    """Allow them again."""
    with op.safe_batch("people") as batch:
        batch.alter_column("name", nullable=True)
