"""Rules for revisions, each with samples that break it and samples that do not."""

from __future__ import annotations

from pathlib import Path

import pytest

from chatdata.migrate import locate
from chatdata.migrate.rules import RULES, lint

CHAIN = Path(__file__).parent / "chain"
DOWN = "\ndef downgrade():\n    op.drop_table('t')\n"

FAILING = {
    "bare-batch": "with op.batch_alter_table('t') as b: b.drop_constraint('c')",
    "index-not-concurrent": "op.create_index('i', 't', ['c'])",
    "validate-together": (
        "op.execute('ALTER TABLE t ADD CONSTRAINT c CHECK (x) NOT VALID');"
        " op.execute('ALTER TABLE t VALIDATE CONSTRAINT c')"
    ),
    "type-change": "op.alter_column('t', 'c', type_=sa.Text())",
    "timestamptz-without-utc": "op.alter_column('t', 'c', type_=sa.DateTime(timezone=True))",
    "drop-outside-contract": "op.drop_column('t', 'c')",
    "native-enum": "op.add_column('t', sa.Column('c', sa.Enum('a', 'b')))",
    "foreign-import": "import chatdata.models; op.drop_table('t')",
    "unnamed-constraint": "op.create_table('t', sa.UniqueConstraint('c'))",
    "data-change": "op.execute('UPDATE t SET c = 1')",
    "not-null-column": "op.add_column('t', sa.Column('c', sa.Text(), nullable=False))",
    "rename": "op.rename_table('t', 'u')",
    "not-alone": "op.add_index('i', 't', ['c']); op.add_column('t', sa.Column('c', sa.Text()))",
    "missing-downgrade": "op.drop_table('t')",
}
PASSING = {
    "bare-batch": "with op.safe_batch('t') as b: b.drop_constraint('c')",
    "index-not-concurrent": (
        "op.create_table('t', sa.Column('c', sa.Text())); op.create_index('i', 't', ['c'])"
    ),
    "validate-together": "op.add_check('c', 't', 'x', 'x > 0')",
    "type-change": "op.alter_column('t', 'c', nullable=True)",
    "timestamptz-without-utc": "op.naive_to_utc('t', 'c')",
    "drop-outside-contract": "op.drop_column('t', 'c')",
    "native-enum": "op.add_column('t', sa.Column('c', sa.Enum('a', native_enum=False)))",
    "foreign-import": "import sqlalchemy.exc; op.drop_table('t')",
    "unnamed-constraint": "op.create_table('t', sa.UniqueConstraint('c', name='u'))",
    "data-change": "op.execute('UPDATE t SET c = 1')",
    "not-null-column": (
        "op.add_column('t', sa.Column('c', sa.Text(), nullable=False, server_default=''))"
    ),
    "rename": "op.alter_column('t', 'c', nullable=True)",
    "not-alone": "op.add_index('i', 't', ['c'])",
    "missing-downgrade": "op.drop_table('t')",
}
PHASES = {"drop-outside-contract": "contract", "data-change": "backfill"}


def revision(tmp_path, body, *, phase="expand", downgrade=DOWN):
    file = tmp_path / "0009_more.py"
    file.write_text(
        f"from alembic import op\nimport sqlalchemy as sa\nphase = {phase!r}\n"
        f"def upgrade():\n    {body}\n{downgrade}"
    )
    return file


def test_every_rule_has_samples():
    """
    No rule goes without a sample that breaks it and one that does not.
    """
    assert set(RULES) == set(FAILING) == set(PASSING)


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_that_is_broken(tmp_path, rule):
    """
    What a rule is about is found, on its line, and told in a sentence.
    """
    downgrade = "\ndef downgrade():\n    pass\n" if rule == "missing-downgrade" else DOWN
    found = lint(revision(tmp_path, FAILING[rule], downgrade=downgrade))

    assert rule in [finding.rule for finding in found]
    assert RULES[rule] in str(next(finding for finding in found if finding.rule == rule))


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_that_is_kept(tmp_path, rule):
    """
    The way that a rule recommends is not complained about.
    """
    file = revision(tmp_path, PASSING[rule], phase=PHASES.get(rule, "expand"))

    assert [] == lint(file)


@pytest.mark.parametrize(
    ("comment", "expected"),
    [
        ("# chatdata: allow=data-change reason=three rows", []),
        ("# chatdata: allow=data-change", ["data-change"]),
        ("# chatdata: allow=bare-batch reason=x", ["data-change"]),
    ],
)
def test_an_exception_needs_its_reason(tmp_path, comment, expected):
    """
    A finding is silenced by naming its rule and giving a reason, and not otherwise.
    """
    found = lint(revision(tmp_path, f"op.execute('UPDATE t SET c = 1')  {comment}"))

    assert expected == [finding.rule for finding in found]


@pytest.mark.parametrize("folder", [locate.scripts(), CHAIN], ids=["ours", "fixture"])
def test_chains_are_clean(folder):
    """
    Our own revisions break no rule.
    """
    assert [] == lint(folder / "versions")


SQL = {
    "CREATE INDEX i ON t (c)": ["index-not-concurrent"],
    "create unique index i on t (c)": ["index-not-concurrent"],
    "CREATE INDEX CONCURRENTLY i ON t (c)": [],
    "ALTER TABLE t DROP COLUMN c": ["drop-outside-contract"],
    "ALTER TABLE t DROP CONSTRAINT c": [],
    "CREATE TYPE mood AS ENUM ('a', 'b')": ["native-enum"],
    "ALTER TABLE t ADD COLUMN c TEXT NOT NULL": ["not-null-column"],
    "ALTER TABLE t ADD COLUMN c TEXT DEFAULT '' NOT NULL": [],
    "ALTER TABLE t ADD c TEXT NOT NULL": ["not-null-column"],
    "ALTER TABLE t ADD COLUMN c TEXT": [],
    "ALTER TABLE t ADD CONSTRAINT k CHECK (c IS NOT NULL)": [],
    "ALTER TABLE t RENAME TO u": ["rename"],
    "ALTER TABLE t RENAME COLUMN c TO d": ["rename"],
    "ALTER TABLE t RENAME c TO d": ["rename"],
    "ALTER TABLE t RENAME CONSTRAINT c TO d": [],
    "ALTER INDEX i RENAME TO j": [],
    "ALTER TABLE t ADD CHECK (c > 0)": ["unnamed-constraint"],
    "ALTER TABLE t ADD CONSTRAINT k CHECK (c > 0)": [],
    "ALTER TABLE t ALTER c TYPE bigint": ["type-change"],
    "ALTER TABLE t ALTER c TYPE timestamptz": ["timestamptz-without-utc"],
    "SELECT 1; DELETE FROM t": ["data-change"],
    "WITH x AS (SELECT 1) UPDATE t SET c = 1": ["data-change"],
    "CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT 1; END": [],
}


@pytest.mark.parametrize("statement", SQL)
def test_sql_that_is_executed(tmp_path, statement):
    """
    What is said in SQL is held to the rules that operations are held to.
    """
    found = lint(revision(tmp_path, f"op.execute({statement!r})"))

    assert SQL[statement] == [finding.rule for finding in found]


def test_a_statement_that_is_built(tmp_path):
    """
    SQLAlchemy's own way to say what changes rows is found too.
    """
    found = lint(revision(tmp_path, "op.execute(sa.table('t').update().values(c=1))"))

    assert ["data-change"] == [finding.rule for finding in found]


@pytest.mark.parametrize(
    "body",
    [
        "op.create_table('t', sa.Column('c', sa.Text())); op.execute('CREATE INDEX i ON t (c)')",
        (
            "op.create_table('t', sa.Column('c', sa.Text()));"
            " op.add_column('t', sa.Column('d', sa.Text(), nullable=False))"
        ),
    ],
)
def test_a_table_of_the_same_revision(tmp_path, body):
    """
    A table that the revision itself made has no rows yet, and nobody who waits for it.
    """
    assert [] == lint(revision(tmp_path, body))


@pytest.mark.parametrize(
    ("step", "rule"),
    [
        ("b.add_column(sa.Column('c', sa.Text(), nullable=False))", "not-null-column"),
        ("b.alter_column('c', new_column_name='d')", "rename"),
    ],
)
def test_inside_a_batch(tmp_path, step, rule):
    """
    The same in a batch.
    """
    found = lint(revision(tmp_path, f"with op.safe_batch('t') as b: {step}"))

    assert [rule] == [finding.rule for finding in found]
