"""Index messages by conversation and time, the order in which a chat is read.

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
    """Create the index while the application goes on writing."""
    op.add_index(
        "ix_messages_conversation_id_created_at", "messages", ["conversation_id", "created_at"]
    )


def downgrade() -> None:
    """Drop the index."""
    op.drop_index(op.f("ix_messages_conversation_id_created_at"), table_name="messages")
