"""Tools put together by server and by what they do."""

from __future__ import annotations

import polars as pl
import pytest
from chat_rows import called, chats
from random_chats import random_chats

from chatdata import analysis
from chatdata.analysis import taxonomy
from chatdata.errors import SourceError


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("Read", "read", id="by name"),
        pytest.param("GREP", "search", id="whatever the case"),
        pytest.param("add_task", "write", id="by the verb of an application's tool"),
        pytest.param("mcp__github__create_issue", "write", id="by the last part"),
        pytest.param("transfer_to_human_agents", "ask", id="to a person"),
        pytest.param("TaskCreate", "plan", id="not an agent"),
        pytest.param("zap", None, id="nothing known of it"),
    ],
)
def test_bundled_groups(name, expected):
    """
    The bundled file groups what agents are known to have and what a verb says.
    """
    groups = taxonomy.grouped([name])

    assert ([] if expected is None else [expected]) == list(groups)


def test_the_first_name_that_fits_counts():
    """
    A mapping of one's own is taken in its order, and nothing else is looked at.
    """
    mine = {"get_*": "reads", "*": "rest", "get_secret": "never"}

    assert {"reads": ["get_secret", "get_a"], "rest": ["put"]} == taxonomy.grouped(
        ["get_secret", "put", "get_a"], mine
    )


def test_a_file_of_ones_own(tmp_path):
    """
    TOML says which names a group has.
    """
    path = tmp_path / "mine.toml"
    path.write_text('[groups]\nb = ["x*", "y"]\na = ["y", "z"]\n', encoding="utf-8")

    assert {"x*": "b", "y": "b", "z": "a"} == taxonomy.read(path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("groups = 3", "[groups]", id="no table"),
        pytest.param("[other]", "[groups]", id="another table"),
        pytest.param("[groups", "[groups]", id="no TOML"),
        pytest.param("[groups]\na = 1", "groups.a", id="no list"),
        pytest.param("[groups]\na = [1]", "groups.a", id="no names"),
        pytest.param(None, "cannot be read", id="no file"),
    ],
)
def test_a_file_that_is_none(tmp_path, text, said):
    """
    What is wrong with a file is said, with its name.
    """
    path = tmp_path / "mine.toml"
    if text is not None:
        path.write_text(text, encoding="utf-8")

    with pytest.raises(SourceError) as error:
        taxonomy.read(path)

    assert said in str(error.value)
    assert "mine.toml" in str(error.value)


def test_groups_are_counted():
    """
    A group has its tools' calls; tools of none come as null.
    """
    log = chats(tool_calls=called("read_file", "ls", "zap", None))
    found = analysis.tool_usage_by_group(log)

    assert [("read", 2, 2, 0.5), (None, 1, 2, 0.5)] == found.select(
        "group", "n_tools", "n_tool_calls", "share"
    ).rows()


def test_servers_are_counted():
    """
    A server has its tools' calls; the tools of none come as null.
    """
    log = chats(
        tool_calls=called(
            {"name": "a", "server": "hub"},
            {"name": "b", "server": "hub", "status": "error", "error_source": "explicit"},
            {"name": "a", "server": None},
        )
    )
    found = analysis.tool_usage_by_server(log, min_n=1)

    assert [("hub", 2, 2, 1, 0.5), (None, 1, 1, 0, 0.0)] == found.select(
        "server", "n_tools", "n_tool_calls", "n_errors", "error_rate"
    ).rows()


SQL = """
with calls as (
  select t.*, user_id, {key} as key,
    bool_or(t.status = 'ok') over (partition by origin) as told,
    t.status in ('error', 'timeout') and error_source is not null as failed
  from tool_calls t left join conversations using (conversation_id)
)
select key, count(distinct name), count(*), count(distinct conversation_id),
  count(distinct user_id), count(*) filter (failed),
  count(*) filter (told and (failed or status = 'ok'))
from calls group by key order by count(*) desc, key nulls last
"""
COLUMNS = ("n_tools", "n_tool_calls", "n_conversations", "n_users", "n_errors", "n_known")


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("name", "column", "key"),
    [
        pytest.param("tool_usage_by_server", "server", "server", id="servers"),
        pytest.param(
            "tool_usage_by_group",
            "group",
            """case when name = 'read_file' then 'read' when name like '%search' then 'search'
               when name = 'add_task' then 'write' end""",
            id="groups",
        ),
    ],
)
def test_counts_are_those_of_sql(name, column, key, seed):
    """
    Every count equals that of a query written by hand, on random logs.
    """
    log = random_chats(seed)
    found = getattr(analysis, name)(log).select(column, *COLUMNS)

    assert log.sql(SQL.format(key=key)).rows() == found.rows()


def test_groups_part_the_calls():
    """
    Every call is in one group and of one server, and in one row of usage.
    """
    log = random_chats(9)
    sums = [
        getattr(analysis, f"tool_usage{by}")(log).select(pl.col("n_tool_calls", "n_errors").sum())
        for by in ("", "_by_server", "_by_group")
    ]

    assert sums[0].rows() == sums[1].rows() == sums[2].rows()
