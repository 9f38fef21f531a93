"""Allow two kinds of notes only.

Revision ID: 0003
Revises: 0002
"""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

phase = "expand"
loses = None


def upgrade() -> None:
    """Add the CHECK."""
    op.add_check("ck_notes_kind", "notes", "kind", "kind IN ('idea', 'fact')")


def downgrade() -> None:
    """Drop the CHECK."""
    with op.safe_batch("notes") as batch:
        batch.drop_constraint(op.f("ck_notes_kind"), type_="check")
