"""Rebuild people, which threads refer to.

Revision ID: 0002
Revises: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

phase = "expand"
loses = None


def upgrade() -> None:
    """Give names more room."""
    with op.safe_batch("people") as batch:
        # chatdata: allow=type-change reason=a rebuild is what the tests need
        batch.alter_column("name", existing_type=sa.String(length=100), type_=sa.String(length=200))


def downgrade() -> None:
    """Take the room back."""
    with op.safe_batch("people") as batch:
        batch.alter_column("name", existing_type=sa.String(length=200), type_=sa.String(length=100))
