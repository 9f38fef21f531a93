"""Where rows lie in a lake: engines skip what they do not need, and miss nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import duckdb
import polars as pl
import pytest

import chatdata as cd
from chatdata.chats import from_rows
from chatdata.formats.lake import OWN, parts
from chatdata.load.scope import Scope, scoped
from chatdata.moments import moment

START = datetime(2025, 1, 20, 12, tzinfo=UTC)
UNKNOWN = "__HIVE_DEFAULT_PARTITION__"


def talk(source, conversation, *times):
    """
    A conversation: its row, its messages at those times, and a call of each message.
    """
    return (
        {
            "conversation_id": conversation,
            "source": source,
            "origin": "somewhere",
            "created_at": times[0],
        },
        [
            {
                "message_id": f"{conversation}:{n}",
                "conversation_id": conversation,
                "position": n,
                "is_main_path": True,
                "role": "assistant",
                "kind": "chat",
                "created_at": time,
            }
            for n, time in enumerate(times)
        ],
        [
            {
                "tool_call_id": f"{conversation}:{n}:0",
                "conversation_id": conversation,
                "message_id": f"{conversation}:{n}",
                "position": 0,
                "name": "search",
                "status": "ok",
            }
            for n in range(len(times))
        ],
    )


NOBODYS_CALL = {
    "tool_call_id": "c:call:1",
    "conversation_id": "c",
    "position": 0,
    "name": "search",
    "status": "ok",
}


def chats_of(*talks):
    return from_rows(
        conversations=[row for row, _, _ in talks],
        messages=[row for _, rows, _ in talks for row in rows],
        tool_calls=[NOBODYS_CALL, *(row for _, _, rows in talks for row in rows)],
    )


def month(number):
    return datetime(2025, number, 15, 12)  # noqa: DTZ001 - frames hold naive UTC


SPANNING = talk("codex", "b", month(1), month(2), month(4))
WORLD = chats_of(
    talk("claude-code", "a", month(1)),
    SPANNING,
    talk("codex", "c", month(2), None),
    talk("x", "d", None),
)


@pytest.fixture
def lake(tmp_path):
    cd.write(WORLD, tmp_path / "lake")
    return tmp_path / "lake"


def folders(lake, name):
    return sorted(path.parent.relative_to(lake / name).as_posix() for path in parts(lake)[name])


def test_rows_lie_by_source_and_month(lake):
    """
    A message lies in its own month, a call in its message's, a conversation where it began.
    """
    by_message = [
        "source=claude-code/month=2025-01",
        "source=codex/month=2025-01",
        "source=codex/month=2025-02",
        "source=codex/month=2025-04",
        f"source=codex/month={UNKNOWN}",
        f"source=x/month={UNKNOWN}",
    ]

    assert by_message == folders(lake, "messages")
    assert by_message == folders(lake, "tool_calls")
    assert [
        "source=claude-code/month=2025-01",
        "source=codex/month=2025-01",
        "source=codex/month=2025-02",
        f"source=x/month={UNKNOWN}",
    ] == folders(lake, "conversations")


@pytest.mark.parametrize("name", ["conversations", "messages", "tool_calls"])
def test_folders_become_columns_and_change_no_row(lake, name):
    """
    DuckDB and Polars read the rows that were written, with or without the columns of the folders.
    """
    expected = WORLD.frames[name].collect().rows_by_key(WORLD.frames[name].collect().columns[0])
    pattern = f"{lake}/{name}/**/*.parquet"
    found = [
        duckdb.sql(f"from read_parquet('{pattern}', hive_partitioning = {hive})").pl()
        for hive in ("true", "false")
    ] + [pl.scan_parquet(pattern, hive_partitioning=hive).collect() for hive in (True, False)]

    for frame in found:
        same = frame.select(WORLD.frames[name].collect_schema().names())
        assert expected == same.rows_by_key(same.columns[0])
    assert {"source", "month"} <= set(found[0].columns)
    assert found[0].select("month").n_unique() == found[2].select("month").n_unique()


def test_engines_skip_folders(lake):
    """
    A question about one source and month opens the files of that folder alone.
    """
    where = "source = 'codex' and month = '2025-02'"
    query = f"explain from '{lake}/messages/**/*.parquet' where {where}"
    duckdb_plan = duckdb.sql(query).fetchall()[0][1]
    polars_plan = (
        pl.scan_parquet(f"{lake}/messages", hive_partitioning=True)
        .filter(pl.col("source") == "codex", pl.col("month") == "2025-02")
        .explain()
    )

    assert "Scanning Files: 1/6" in duckdb_plan
    assert 1 == polars_plan.count(".parquet")
    assert "month=2025-02" in polars_plan


def test_a_window_opens_its_months(lake):
    """
    `since` and `until` open the months they need, and what has no month.
    """
    chats = cd.scan(lake, since=START + timedelta(days=20), until=datetime(2025, 3, 1, tzinfo=UTC))
    for frame in (chats.messages, chats.tool_calls):
        plan = frame.explain()

        assert "month=2025-02" in plan
        assert [] == [
            skipped
            for skipped in ("2025-01", "2025-04")
            if f"messages/source=codex/month={skipped}" in plan
        ]
    assert "in the window" in chats.findings[0].reason


@pytest.mark.parametrize("first", range(0, 100, 9))
@pytest.mark.parametrize("days", [0, 1, 40, 400])
def test_a_window_misses_nothing(lake, first, days):
    """
    A window of a lake holds what the same window of the frames holds.
    """
    since = START + timedelta(days=first)
    until = since + timedelta(days=days)
    expected = scoped(cd.scan(lake).collect(), Scope(since=moment(since), until=moment(until)))
    found = cd.scan(lake, since=since, until=until)
    for name in ("conversations", "messages", "tool_calls"):
        key = expected.frames[name].collect_schema().names()[0]

        assert (
            expected.frames[name].sort(key).collect().equals(found.frames[name].sort(key).collect())
        )


def test_a_call_follows_its_message(lake):
    """
    A message whose time is corrected takes its calls along into its month.
    """
    corrected = SPANNING[1][0] | {"created_at": month(6)}
    cd.write(from_rows(messages=[corrected]), lake)
    june = cd.scan(lake, since=datetime(2025, 6, 1, tzinfo=UTC))

    assert ["b:0"] == june.messages.collect()["message_id"].to_list()
    assert ["b:0:0"] == june.tool_calls.collect()["tool_call_id"].to_list()
    assert 8 == cd.scan(lake).check().tool_calls.collect().height


@pytest.mark.parametrize("source", ["my/format", "a=b", "50% off", "日本", "x y", "a.b:c"])
def test_any_source_is_a_folder(tmp_path, source):
    """
    A source of any name lies in a folder that every engine reads back as that name.
    """
    cd.write(chats_of(talk(source, "a", month(1))), tmp_path / "lake")
    pattern = f"{tmp_path}/lake/messages/**/*.parquet"

    assert [(source,)] == duckdb.sql(f"select source from '{pattern}'").fetchall()
    assert [source] == pl.read_parquet(pattern, hive_partitioning=True)["source"].to_list()
    cd.write(chats_of(talk(source, "a", month(1))), tmp_path / "lake")
    assert 1 == len(parts(tmp_path / "lake")["messages"])


def test_rows_of_a_file_are_sorted(tmp_path):
    """
    The rows of a conversation lie together in a file, in their order.
    """
    chats = cd.sample(conversations=200, seed=4)
    shuffled = chats.with_frames(
        messages=chats.messages.collect().sample(fraction=1, shuffle=True, seed=1).lazy()
    )
    cd.write(shuffled, tmp_path / "lake")
    for path in parts(tmp_path / "lake")["messages"]:
        rows = pl.read_parquet(path, hive_partitioning=False)

        assert rows.equals(rows.sort("conversation_id", "position"))
    assert len(folders(tmp_path / "lake", "messages")) == len(
        set(folders(tmp_path / "lake", "messages"))
    )


def test_staged_files_are_gone(lake):
    """
    Nothing is left of the making of a lake.
    """
    assert [] == list((lake / OWN).glob("staging-*"))
