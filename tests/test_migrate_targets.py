"""Which databases a fleet is made of, and what state each of them is in."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing

import pytest
from databases import execute

from chatdata import migrate
from chatdata.errors import MigrationError
from chatdata.migrate import fleet


@pytest.fixture
def files(tmp_path):
    """
    Five databases at 0002, in a folder of their own.
    """
    folder = tmp_path / "tenants"
    folder.mkdir()
    files = [folder / f"tenant_{number}.db" for number in range(5)]
    migrate.upgrade(f"sqlite:///{files[0]}", to="0002")
    for file in files[1:]:
        shutil.copyfile(files[0], file)
    return files


def names(*places, **options):
    return [target.name for target in fleet.targets(places, **options)]


def test_targets(files, tmp_path):
    """
    Patterns, URLs and files of these are put together once each, and can be shared out.
    """
    pattern = str(files[0].parent / "*.db")
    listed = tmp_path / "fleet.txt"
    listed.write_text(f"# ours\n{pattern}\n\nsqlite:///{files[0]}\n")
    (tmp_path / "link.db").symlink_to(files[0])
    shards = [names(pattern, shard=f"{part}/2") for part in (1, 2)]

    assert [*map(str, files)] == names(f"@{listed}", pattern, str(tmp_path / "link.db"))
    assert [3, 2] == [len(shard) for shard in shards]
    assert not {*shards[0]} & {*shards[1]}


LEFT = (
    "tenant_0.db-wal",
    "tenant_0.db-shm",
    "tenant_0.db-journal",
    "tenant_0.db.part",
    "tenant_0.db.failed",
    "tenant_0.db.failed-wal",
    "tenant_0.db.20260101T000000000000.backup",
    "tenant_0.db.20260101T000000000000.backup.part",
    "tenant_0.db.20260101T000000000000.failed",
    "tenant_0.db.20260101T000000000000.failed-journal",
)


@pytest.mark.parametrize("name", LEFT)
@pytest.mark.parametrize("place", ["*", "the file"])
def test_what_lies_beside_a_database_is_none(files, name, place):
    """
    Neither a pattern nor the shell's expansion of one takes copies and journals for databases.
    """
    beside = files[0].with_name(name)
    if name.endswith(("-wal", "-shm", "-journal")):
        beside.write_bytes(b"a journal")
    else:
        shutil.copyfile(files[0], beside)
    (files[0].parent / "folder").mkdir()
    places = [files[0].parent / "*"] if place == "*" else [*files, beside]

    assert [*map(str, files)] == names(*map(str, places))
    with pytest.raises(MigrationError, match="no database was found at these places"):
        names(str(beside))
    assert [str(beside)] == names(f"sqlite:///{beside}")


def test_an_upgrade_leaves_its_own_copies_alone(files):
    """
    What a fleet left behind is not upgraded by the next run, nor restored, by the widest pattern.
    """
    pattern = str(files[0].parent / "*")
    fleet.run("upgrade", fleet.targets([pattern]), jobs=1)
    fleet.run("restore", fleet.targets([pattern]), jobs=1)
    before = {file: file.read_bytes() for file in files[0].parent.iterdir() if file not in files}
    again = fleet.run("upgrade", fleet.targets([pattern]), jobs=1)
    after = {file: file.read_bytes() for file in before}

    assert [*map(str, files)] == [outcome.name for outcome in again]
    assert 10 == len(before)
    assert before == after


@pytest.mark.parametrize("name", ["my-journal", "prod.backup", "a?b %41#.db"])
def test_a_database_with_an_odd_name(files, name):
    """
    A database is one whatever its name looks like.
    """
    odd = shutil.copyfile(files[0], files[0].with_name(name))
    (found,) = fleet.targets([str(odd)])

    assert str(odd) == found.name
    assert "0002" == fleet.version(found)


def test_a_line_that_names_nothing_is_refused(files, tmp_path):
    """
    A misspelt line of a list is named, instead of leaving a database behind.
    """
    listed = tmp_path / "fleet.txt"
    gone = [tmp_path / f"gone_{number}.db" for number in range(7)]
    listed.write_text("\n".join(map(str, [*files, *gone])))

    with pytest.raises(MigrationError, match=r"gone_0.db, .*gone_4.db and 2 more") as refused:
        names(f"@{listed}")
    assert 2 == refused.value.exit_code
    assert not gone[0].exists()


def test_a_list_that_names_itself(tmp_path):
    """
    Lists may name lists, and one that comes back to itself is refused.
    """
    (tmp_path / "a").write_text(f"@{tmp_path / 'b'}")
    (tmp_path / "b").write_text(f"@{tmp_path / 'a'}")

    with pytest.raises(MigrationError, match="names itself"):
        names(f"@{tmp_path / 'a'}")


@pytest.mark.parametrize(
    ("places", "options", "match"),
    [
        (["/no/such/*.db"], {}, "no database was found at /no/such"),
        (["sqlite:///x"], {"shard": "3/2"}, "expected i/n"),
        (["sqlite:///x"], {"shard": "x"}, "expected i/n"),
        (["mysql://u:secret@h/d"], {}, "cannot be migrated"),
        (["postgres//u:secret@h/d"], {}, "no database was found at postgres//…@h/d"),
        (["postgresql://u:sec@ret@h/d"], {}, "%40"),
        (["postgresql://u:s@e:cret@h/d"], {}, "not a database URL"),
    ],
)
def test_targets_that_are_none(places, options, match):
    """
    A place where nothing is, and a share that cannot be, are refused without a password.
    """
    with pytest.raises(MigrationError, match=match) as refused:
        names(*places, **options)
    assert not any(part in str(refused.value) for part in ("sec", "ret"))


@pytest.mark.parametrize(
    "form", ["file:{}?uri=true", "file://{}?uri=1", "{}?uri=true", "file:{}?uri=true&timeout=3"]
)
def test_a_file_named_by_a_uri(tmp_path, form):
    """
    It is the file at that path: seen, backed up and upgraded like any other.
    """
    file = tmp_path / "an app.db"
    migrate.upgrade(f"sqlite:///{file}", to="0002")
    url = f"sqlite:///{form.format(str(file).replace(' ', '%20'))}"
    before = migrate.status(url)["state"].to_list()
    done = migrate.guard.upgrade(url)

    assert ["behind"] == before
    assert ("0002", "0005") == (done.run.before, done.run.after)
    assert file.parent == done.backup.parent
    assert [str(file)] == names(url)


@pytest.mark.parametrize("option", ["mode=ro", "cache=shared", "immutable=1"])
def test_a_uri_that_says_how_to_open(tmp_path, option):
    """
    What a URL says about that would not be followed, so it is refused.
    """
    url = f"sqlite:///file:{tmp_path / 'app.db'}?{option}&uri=true"

    with pytest.raises(MigrationError, match=option.partition("=")[0]) as refused:
        migrate.upgrade(url)
    assert 2 == refused.value.exit_code
    assert [] == list(tmp_path.iterdir())


def test_schemas(postgres):
    """
    Each schema of that name is a target, and never the server's own.
    """
    url = postgres()
    execute(url, *(f"CREATE SCHEMA {name}" for name in ("tenant_b", "tenant_a", "other")))
    found = names(url, schemas="tenant_%")
    everything = names(url, schemas="%")

    assert ["tenant_a", "tenant_b"] == [name.partition("#")[2] for name in found]
    assert ["other", "public", "tenant_a", "tenant_b"] == [
        name.partition("#")[2] for name in everything
    ]
    with pytest.raises(MigrationError, match="no database was found"):
        names(url, schemas="none_%")


def damage_the_header(file):
    file.write_bytes(b"damaged" * 1000)


def damage_the_pages(file):
    whole = file.read_bytes()
    file.write_bytes(whole[:1000] + b"\xff" * 3000 + whole[4000:])


@pytest.mark.parametrize("damage", [damage_the_header, damage_the_pages])
@pytest.mark.parametrize("verb", ["plan", "upgrade", "adopt"])
def test_a_damaged_file_is_named_as_damaged(files, damage, verb):
    """
    It is not taken for somebody else's database, and what comes next is a copy.
    """
    damage(files[0])
    found = fleet.targets([str(files[0])])
    (outcome,) = fleet.run(verb, found, jobs=1)
    state = migrate.status(found).row(0, named=True)

    assert "failed" == outcome.outcome
    assert "is damaged" in outcome.detail
    assert "chatdata db restore URL BACKUP" in outcome.detail
    assert "damaged" == state["state"]
    assert "chatdata db restore URL BACKUP" in state["error"]


def test_damage_deep_in_a_file_is_named_before_anything_is_written(files):
    """
    A page of rows that is damaged is found when the copy is taken, and named as that.
    """
    url = f"sqlite:///{files[0]}"
    user = "INSERT INTO users (id, email, name, created_at, updated_at)"
    execute(url, *(f"{user} VALUES ('{i}', '{i * 100}', 'n', 'a', 'b')" for i in range(500)))
    with closing(sqlite3.connect(files[0])) as raw:
        root = raw.execute("SELECT rootpage FROM sqlite_master WHERE name = 'users'").fetchone()[0]
    whole = bytearray(files[0].read_bytes())
    whole[(root - 1) * 4096 : (root - 1) * 4096 + 100] = b"\xff" * 100
    files[0].write_bytes(whole)
    (outcome,) = fleet.run("upgrade", fleet.targets([str(files[0])]), jobs=1)

    assert "failed" == outcome.outcome
    assert "is damaged" in outcome.detail
    assert bytes(whole) == files[0].read_bytes()


def test_status_of_targets(files, postgres):
    """
    Files and schemas are looked at as they are, a held file and a missing one too.
    """
    url = postgres()
    execute(url, "CREATE SCHEMA tenant_a", "CREATE SCHEMA tenant_b")
    migrate.upgrade(url, schema="tenant_b")
    execute(url, "DROP INDEX tenant_b.ix_messages_created_at")
    migrate.upgrade(f"sqlite:///{files[1]}")
    execute(f"sqlite:///{files[1]}", "UPDATE chatdata_history SET script_sha256 = 'edited'")
    execute(f"sqlite:///{files[2]}", "INSERT INTO chatdata_version VALUES ('0003')")
    found = fleet.targets([str(files[0].parent / "*"), url], schemas="tenant_%")
    with closing(sqlite3.connect(files[3], isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        rows = migrate.status([*found, f"sqlite:///{files[0]}.gone"]).to_dicts()

    assert [
        ("behind", "0002", None),
        ("at head", "0005", 0),
        ("unreadable", None, None),
        ("unreadable", None, None),
        ("behind", "0002", None),
        ("not ours", None, None),
        ("at head", "0005", 1),
        ("unreadable", None, None),
    ] == [(row["state"], row["revision"], row["n_drift"] or row["n_behind"]) for row in rows]
    assert "another script" in rows[1]["error"]
    assert "holds 2 revisions" in rows[2]["error"]
    assert "another program holds it" in rows[3]["error"]
    assert rows[6]["source"].endswith("#tenant_b")
