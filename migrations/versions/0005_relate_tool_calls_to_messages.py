"""Relate tool_calls to messages: its rows go when their message goes.

On PostgreSQL the key is a revision of its own because adding it stops writers of messages: alone,
it is one statement and its commit, however far away the one is who runs it. SQLite has no such
statement and got the key with the table.

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

NAME = "fk_tool_calls_message_id_messages"


def upgrade() -> None:
    """Add the key, so that the application may delete messages as before."""
    if op.get_context().dialect.name != "sqlite":
        op.add_fk(NAME, "tool_calls", "message_id", "messages", ondelete="CASCADE")


def downgrade() -> None:
    """Drop the key."""
    if op.get_context().dialect.name != "sqlite":
        op.drop_constraint(op.f(NAME), "tool_calls", type_="foreignkey")
