"""Plans and new revisions."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from databases import contents, execute

from chatdata import migrate
from chatdata.errors import MigrationError
from chatdata.migrate import author, backups, engine, guard, locate, plans

CHAIN = Path(__file__).parent / "chain"


@pytest.fixture
def chain(tmp_path):
    """
    A copy of our chain that may be added to.
    """
    return Path(shutil.copytree(locate.scripts(), tmp_path / "chain"))


def test_new(chain, tmp_path):
    """
    A new revision comes with the next number, a snapshot and a test, and the chain goes on.
    """
    script = next((chain / "versions").glob("0003_*.py"))
    draft = author.new("Try something", phase="expand", scripts=chain, tests=tmp_path)
    url = f"sqlite:///{tmp_path / 'app.db'}"

    assert ("0006", "0006_try_something.py") == (draft.revision, draft.script.name)
    assert "0006" == migrate.upgrade(url, scripts=chain).after
    assert (chain / "snapshots" / "0006.json").is_file()
    assert 'to="0006"' in draft.test.read_text()
    assert script.is_file()


def test_new_brings_the_chain_to_the_models(chain, tmp_path):
    """
    What the models have and the chain lacks is written with our operations and plain types.
    """
    for revision in ("0004", "0005"):
        next((chain / "versions").glob(f"{revision}_*.py")).unlink()
        (chain / "snapshots" / f"{revision}.json").unlink()
    draft = author.new("Add the calls", phase="expand", scripts=chain)
    text = draft.script.read_text()

    assert "op.create_table" in text
    assert "sa.DateTime()" in text
    assert "UTCDateTime" not in text
    assert "batch_alter_table" not in text
    assert [] == author.check(chain)


def test_new_column_with_an_index(chain, tmp_path):
    """
    A column and its index, and both undone, are Python that runs, and the two are told apart.
    """
    script = next((chain / "versions").glob("0004_*.py"))
    lines = script.read_text().splitlines(keepends=True)
    script.write_text("".join(line for line in lines if "tool_name" not in line))
    draft = author.new("Add the name", phase="expand", scripts=chain)
    url = f"sqlite:///{tmp_path / 'app.db'}"
    up = migrate.upgrade(url, scripts=chain).steps
    down = migrate.downgrade(url, "0005", scripts=chain).steps

    assert ("0006", ("0006",)) == (up[-1], down)
    assert "0006" == migrate.upgrade(url, scripts=chain).after
    assert "op.add_index('ix_tool_calls_tool_name', 'tool_calls'" in draft.script.read_text()
    assert ["not-alone"] == [finding.rule for finding in draft.findings]
    assert [] == author.check(chain)


@pytest.mark.parametrize("phase", ["", "extend"])
def test_new_needs_a_phase(chain, phase):
    """
    A revision says which phase it belongs to.
    """
    with pytest.raises(MigrationError, match="expand, backfill, contract"):
        author.new("x", phase=phase, scripts=chain)


def test_check_finds_an_old_snapshot(chain):
    """
    A chain that no longer makes what its snapshot says is found.
    """
    script = next((chain / "versions").glob("0004_*.py"))
    script.write_text(
        script.read_text().replace('"started_at", sa.DateTime()', '"began", sa.Text()')
    )

    assert [
        "snapshot 0005 is not what the chain makes",
        "snapshot 0004 is not what the chain makes",
        "the models and the chain differ in tool_calls",
    ] == author.check(chain)


def test_a_plan_survives_its_file(tmp_path):
    """
    A plan that is written and read again is the same plan.
    """
    url = f"sqlite:///{tmp_path / 'app.db'}"
    migrate.upgrade(url, to="0002")
    made = plans.plan(url)

    assert [(made.fingerprint, list(made.pending))] == [
        (again.fingerprint, again.pending) for again in plans.load(plans.dump([made]))
    ]
    with pytest.raises(MigrationError, match="not a plan"):
        plans.load("{")


EMPTY = """from alembic import op
revision, down_revision = {!r}, {!r}
def upgrade():
    op.execute({!r})
"""


def added(chain, revision, before, statement="CREATE TABLE extra (id INTEGER)"):
    file = chain / "versions" / f"{revision}_extra.py"
    file.write_text(EMPTY.format(revision, before, statement))
    return file


def test_a_plan_is_applied_exactly(new_database, chain):
    """
    A revision that came after the plan is not part of it.
    """
    urls = [new_database(), new_database()]
    migrate.upgrade(urls[0], to="0002", scripts=chain)
    migrate.upgrade(urls[1], scripts=chain)
    made = [plans.plan(url, scripts=chain) for url in urls]
    added(chain, "0006", "0005")
    runs = [plans.apply(each, scripts=chain).run for each in plans.load(plans.dump(made))]

    assert [("0003", "0004", "0005"), ()] == [run.steps for run in runs]
    assert ["0005", "0005"] == [migrate.current_revision(url) for url in urls]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ("gone", "revision 0006 is gone since the plan was made"),
        ("between", "revisions up to 0006 were 0006 and became 0005b, 0006"),
        ("edited", "the SQL of revision 0006 became another"),
    ],
)
def test_a_plan_of_other_revisions_is_refused(tmp_path, chain, change, match):
    """
    Where the plan's own revisions are others by now, the difference is named and nothing is run.
    """
    url = f"sqlite:///{tmp_path / 'app.db'}"
    migrate.upgrade(url, scripts=chain)
    file = added(chain, "0006", "0005")
    made = plans.plan(url, scripts=chain)
    if change == "gone":
        file.unlink()
    elif change == "between":
        added(chain, "0005b", "0005", "CREATE TABLE between_them (id INTEGER)")
        added(chain, "0006", "0005b")
    else:
        added(chain, "0006", "0005", "CREATE TABLE another (id INTEGER)")

    with pytest.raises(MigrationError, match=match) as refused:
        plans.apply(made, scripts=chain)
    assert 3 == refused.value.exit_code
    assert "0005" == migrate.current_revision(url)


def test_a_plan_for_postgres(postgres):
    """
    For PostgreSQL the SQL is written without a connection, and a password is never kept.
    """
    made = plans.plan(postgres())

    assert any("CREATE TABLE users" in statement for statement in made.sql)
    url = "postgresql://u:secret@h/d?password=secret&sslpassword=secret&sslmode=require"
    assert "postgresql+psycopg://u@h/d?sslmode=require" == engine.public(url)


@pytest.fixture
def rewriting(chain):
    """
    A chain whose last revision changes a value, as none should.
    """
    (chain / "versions" / "0006_rewrite.py").write_text(
        "from alembic import op\nrevision, down_revision = '0006', '0005'\n"
        "def upgrade():\n    op.execute(\"UPDATE users SET name = 'x'\")\n"
    )
    return chain


USER = "INSERT INTO users VALUES ('u', 'e', 'n', NULL, NULL, NULL, NULL, 'a', 'b')"


def test_a_changed_value_rolls_the_upgrade_back(tmp_path, rewriting):
    """
    An upgrade that would change a row ends with exit code 5 and the file as it was.
    """
    url = f"sqlite:///{tmp_path / 'app.db'}"
    migrate.upgrade(url, to="0005", scripts=rewriting)
    execute(url, USER)
    before = contents(url)

    with pytest.raises(MigrationError, match="users: 1 rows, some with other values") as refused:
        guard.upgrade(url, scripts=rewriting)
    assert 5 == refused.value.exit_code
    assert before == contents(url)
    assert "0005" == migrate.current_revision(url)


@pytest.mark.parametrize(
    ("auto", "match"), [(False, "run: chatdata db restore"), (True, "put back")]
)
def test_damage_after_the_upgrade(tmp_path, monkeypatch, auto, match):
    """
    A file that is damaged after the commit is named with the way back, or put back if so wished.
    """
    url = f"sqlite:///{tmp_path / 'app.db'}"
    migrate.upgrade(url, to="0002")
    healthy = backups.check
    seen = []

    def check(file, **options):
        seen.append(file)
        if len(seen) == 2:
            raise MigrationError("is damaged", then="")
        healthy(file, **options)

    monkeypatch.setattr(backups, "check", check)

    with pytest.raises(MigrationError, match=match):
        guard.upgrade(url, auto_restore=auto)
    assert ("0002" if auto else "0005") == migrate.current_revision(url)


def test_damage_while_others_have_it_open(tmp_path, monkeypatch):
    """
    What others have open is not swapped under them; the way back is named.
    """
    url = f"sqlite:///{tmp_path / 'app.db'}"
    migrate.upgrade(url, to="0002")
    healthy, seen = backups.check, []

    def check(file, **options):
        seen.append(file)
        if len(seen) == 2:
            raise MigrationError("is damaged", then="")
        healthy(file, **options)

    monkeypatch.setattr(backups, "check", check)
    with closing(sqlite3.connect(tmp_path / "app.db")) as client:
        client.execute("PRAGMA journal_mode = WAL")
        client.execute("SELECT count(*) FROM users").fetchall()

        with pytest.raises(MigrationError, match="run: chatdata db restore") as damaged:
            guard.upgrade(url, auto_restore=True)
    assert 5 == damaged.value.exit_code
    assert "0005" == migrate.current_revision(url)


def test_a_file_in_wal_mode(tmp_path):
    """
    A file whose log is beside it is copied, upgraded and proven like any other.
    """
    url = f"sqlite:///{tmp_path / 'app.db'}"
    migrate.upgrade(url, to="0002")
    with closing(sqlite3.connect(tmp_path / "app.db")) as raw:
        raw.execute("PRAGMA journal_mode=WAL")

    assert "0005" == guard.upgrade(url, keep=1).run.after
    assert 1 == len(backups.backups(url))


def test_disk_full(tmp_path):
    """
    When the disk is full the upgrade ends with the cause and the file as it was.
    """
    url = f"sqlite:///{tmp_path / 'app.db'}"
    migrate.upgrade(url, to="0002")
    before = contents(url)

    with migrate.connect(url) as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + 1}")
        with pytest.raises(MigrationError, match="free some space"):
            migrate.upgrade(connection)
    assert (before, "0002") == (contents(url), migrate.current_revision(url))
