"""Create tool_calls, one row per call, which SQL can count.

Revision ID: 0004
Revises: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

phase = "expand"
loses = "every row of tool_calls; the backfill can make those of messages again"


def upgrade() -> None:
    """Create the table; on SQLite with the key that is 0005 on PostgreSQL."""
    key = sa.ForeignKeyConstraint(
        ["message_id"],
        ["messages.id"],
        name=op.f("fk_tool_calls_message_id_messages"),
        ondelete="CASCADE",
    )
    op.create_table(
        "tool_calls",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.String(), nullable=False),
        sa.Column("conversation_id", sa.Integer(), nullable=True),
        sa.Column("message_id", sa.Integer(), nullable=True),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("native_id", sa.String(), nullable=True),
        sa.Column("tool_name", sa.String(), nullable=True),
        sa.Column("arguments", sa.Text(), nullable=True),
        sa.Column("arguments_status", sa.String(length=20), nullable=True),
        sa.Column("result", sa.Text(), nullable=True),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("error_source", sa.String(length=20), nullable=True),
        sa.Column("started_at", sa.DateTime(), nullable=True),
        sa.Column("ended_at", sa.DateTime(), nullable=True),
        *([key] if op.get_context().dialect.name == "sqlite" else []),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tool_calls")),
        sa.UniqueConstraint(
            "message_id", "position", name=op.f("uq_tool_calls_message_id_position")
        ),
    )
    op.create_index(op.f("ix_tool_calls_user_id"), "tool_calls", ["user_id"])
    op.create_index(op.f("ix_tool_calls_conversation_id"), "tool_calls", ["conversation_id"])
    op.create_index(op.f("ix_tool_calls_tool_name"), "tool_calls", ["tool_name"])


def downgrade() -> None:
    """Drop the table with its rows."""
    op.drop_table("tool_calls")
