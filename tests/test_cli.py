"""The command line: what every verb prints, and how it ends when something is wrong."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import chatdata as cd
from chatdata.cli import main
from chatdata.cli.options import moment
from chatdata.cli.output import table
from chatdata.cli.progress import working

KEYS = [
    "format",
    "conversations",
    "messages",
    "messages_by_role",
    "tool_calls",
    "tool_results",
    "calls_by_tool",
    "calls_by_status",
    "rejects",
    "users",
    "tokens",
    "first_message_at",
    "last_message_at",
]
DATA = Path(__file__).parent / "data"
FRAMES = ["conversations", "messages", "tool_calls", "rejects", "accounting"]


@pytest.fixture
def run(program, monkeypatch):
    """
    The program, in a terminal of 100 columns.
    """
    monkeypatch.setenv("COLUMNS", "100")
    return program


@pytest.fixture
def hostile(tmp_path):
    """
    A log whose author knows how terminals are told to do things.
    """
    path = tmp_path / "hostile.json"
    message = {"role": "user", "content": "a\x1b[31mb\x9b2Jc\u202ed [bold]e[/bold]\nsecond line"}
    path.write_text(json.dumps({"messages": [message, {"role": "assistant", "content": "x"}]}))
    return path


def asked(run, *words):
    """
    The answer of a verb that goes well, as JSON.
    """
    code, out, err = run(*words)

    assert (0, "") == (code, err)
    return json.loads(out)


def test_an_image_is_a_result(run):
    """
    A tool may answer with a message that has no text.
    """
    found = asked(run, "scan", str(DATA / "chatgpt-export" / "image.json"), "--json")

    assert (1, 1) == (found["tool_calls"], found["tool_results"])


def test_scan_says_which_tokens_are_in_no_sum(run, tmp_path):
    """
    A response without a message has no row for its tokens.
    """
    call = {"type": "function_call", "call_id": "c", "name": "ls", "arguments": "{}"}
    usage = {"input_tokens": 7, "output_tokens": 5}
    body = {"id": "r", "object": "response", "output": [call], "usage": usage}
    path = tmp_path / "responses.jsonl"
    path.write_text(json.dumps(body))

    assert 1 == asked(run, "scan", str(path), "--json")["conversations_with_other_tokens"]
    said = "not those of responses without a message, in 1 conversations"
    assert said in run("scan", str(path))[1]
    assert "not those" not in run("scan", str(DATA / "openai-chat" / "pairs.jsonl"))[1]


def test_scan_json_counts_what_is_there(run):
    """
    Every key is there, and every number is the one that SQL over the frames gives.
    """
    found = asked(run, "scan", "sample", "--json")
    chats = cd.sample()

    def one(query):
        return chats.sql(query).item()

    def many(query):
        return dict(chats.sql(query).rows())

    real = "from messages where kind <> 'event'"

    assert set(KEYS) <= set(found)
    assert "sample" == found["format"]
    assert one("select count(*) from conversations") == found["conversations"]
    assert one(f"select count(*) {real}") == found["messages"]
    assert many(f"select role, count(*) {real} group by 1") == found["messages_by_role"]
    assert one("select count(*) from tool_calls") == found["tool_calls"]
    assert one("select count(result) from tool_calls") == found["tool_results"]
    assert many("select name, count(*) from tool_calls group by 1") == found["calls_by_tool"]
    assert many("select status, count(*) from tool_calls group by 1") == found["calls_by_status"]
    assert one("select count(*) from rejects") == found["rejects"]
    assert one("select count(distinct user_id) from conversations") == found["users"]
    assert {
        "input": one("select sum(input_tokens)::bigint from messages"),
        "output": one("select sum(output_tokens)::bigint from messages"),
        "cache_read": one("select sum(cache_read_tokens)::bigint from messages"),
        "cache_write": None,
        "reasoning": one("select sum(reasoning_tokens)::bigint from messages"),
    } == found["tokens"]
    for key, time in (("first_message_at", "min"), ("last_message_at", "max")):
        assert f"{one(f'select {time}(created_at) {real}').isoformat()}Z" == found[key]


def test_scan_tells_people_the_same(run):
    """
    The printed summary has the counts, and says which rows lengths leave out.
    """
    found = asked(run, "scan", "sample", "--json")
    _, out, _ = run("scan", "sample")
    rows = found["rows"]

    assert f"{found['messages']:,}: " in out
    assert f"{found['calls_by_tool']['add_task']:,} add_task" in out
    assert f"{rows['all']:,} message rows = {rows['counted']:,} counted + " in out
    assert rows["all"] == sum(rows.values()) - rows["all"]
    assert rows["all"] - rows["events"] == found["messages"]


def test_scan_of_many_tools_and_no_times(run, tmp_path):
    """
    The summary stays short however many tools there are, and says what was not recorded.
    """
    calls = [
        {"id": f"c{n}", "type": "function", "function": {"name": f"t{n:03}", "arguments": "{}"}}
        for n in range(300)
    ]
    log = tmp_path / "log.jsonl"
    said = [{"role": "user", "content": "a"}, {"role": "assistant", "tool_calls": calls}]
    log.write_text(json.dumps({"messages": said}))
    _, out, _ = run("scan", log)

    assert "300: 1 t000, 1 t001" in " ".join(out.split())
    assert "1 t019, 280 more" in " ".join(out.split())
    assert "t020" not in out
    assert 2 == out.count("not recorded")


def test_scan_of_nothing(run):
    """
    A source without conversations is all zeros and nulls, no failure.
    """
    found = asked(run, "scan", "sample?conversations=0", "--json")

    assert (0, 0, 0, {}) == (
        found["conversations"],
        found["messages"],
        found["tool_calls"],
        found["calls_by_tool"],
    )
    assert (None, None) == (found["first_message_at"], found["format"])
    assert 0 == run("scan", "sample?conversations=0")[0]


def test_scan_explains(run):
    """
    With --explain one sees what was decided, in both forms.
    """
    found = asked(run, "scan", "sample", "--json", "--explain")
    _, out, _ = run("scan", "sample", "--explain")

    assert cd.sample().explain().to_dicts() == found["explain"]
    assert "made, not read" in out


def test_several_sources_are_one(run):
    """
    Sources are put together by name, and what is counted is their sum.
    """
    one = asked(run, "scan", "sample?seed=1", "--json")
    two = asked(run, "scan", "sample?seed=2", "--json")
    both = asked(run, "scan", "sample?seed=1", "sample?seed=2", "--json")

    assert ["sample", "sample-2"] == both["origins"]
    for key in ("conversations", "messages", "tool_calls", "rejects"):
        assert one[key] + two[key] == both[key]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("2025-10-01", "2025-10-01T00:00:00", id="a date begins at midnight UTC"),
        pytest.param("2025-10-01T12:30", "2025-10-01T12:30:00", id="no zone is UTC"),
        pytest.param("2025-10-01T12:30Z", "2025-10-01T12:30:00", id="Z"),
        pytest.param("2025-10-01T02:00+05:00", "2025-09-30T21:00:00", id="a zone is counted"),
    ],
)
def test_moments(text, expected):
    """
    Times that people type are read as UTC, whatever zone they name.
    """
    assert expected == moment(text).isoformat()


def test_questions_narrow_the_answer(run):
    """
    A user, a time span and no text are asked of the source, not of the answer.
    """
    user = cd.sample().conversations.collect()["user_id"][0]
    every, own, early, late, silent = (
        asked(run, "scan", "sample", "--json", *words)
        for words in (
            [],
            ["--user", user],
            ["--until", "2025-10-01"],
            ["--since", "2025-10-01T05:00+05:00"],
            ["--no-text"],
        )
    )

    assert (1, True) == (own["users"], own["conversations"] < every["conversations"])
    assert "2025-10-01" > early["last_message_at"]
    assert "2025-10-01" <= late["first_message_at"]
    assert every["tool_calls"] == silent["tool_calls"]
    assert {None} == set(run_sql(run, "select distinct content from messages", "--no-text"))


def run_sql(run, query, *words):
    """
    The first column of a query over the sample.
    """
    return [
        next(iter(row.values()))
        for row in asked(run, "sql", "sample", query, "--output", "json", *words)
    ]


def test_show_is_readable(run):
    """
    One conversation is printed in order, with its calls and their results.
    """
    chats = cd.sample()
    chosen = chats.sql(
        "select conversation_id from tool_calls where status = 'denied' order by all limit 1"
    ).item()
    _, out, _ = run("show", "sample", chosen)
    texts = chats.sql(
        f"select content from messages where conversation_id = '{chosen}' and role = 'user'"
        " order by position"
    )["content"]

    rest = out
    for text in texts:
        assert text in rest
        rest = rest.partition(text)[2]

    assert out.startswith(f"conversation {chosen}")
    assert "← denied" in out
    assert "  → " in out


def test_show_marks_what_is_no_chat(run):
    """
    Replaced answers and rows that nobody wrote are marked as such.
    """
    for what, where in (("replaced", "not is_main_path"), ("injected", "kind = 'injected'")):
        chosen = cd.sample().sql(f"select any_value(conversation_id) from messages where {where}")

        assert f"· {what}" in run("show", "sample", chosen.item())[1]


def test_show_without_text_gives_sizes(run):
    """
    Without text a message is its size.
    """
    _, out, _ = run("show", "sample", "1", "--no-text")

    assert "characters)" in out


@pytest.mark.parametrize("words", [["show"], ["sql"]], ids=["show", "sql"])
def test_terminals_are_not_told_anything(run, hostile, words):
    """
    Control characters of a log are shown, not obeyed; square brackets are no markup.
    """
    if words == ["show"]:
        chosen = cd.scan(hostile).conversations.collect()["conversation_id"].item()
        _, out, _ = run("show", hostile, chosen)
    else:
        _, out, _ = run("sql", hostile, "select content from messages order by position")

    assert "a�[31mb�2Jc�d [bold]e[/bold]" in out
    assert not {"\x1b", "\x9b", "\u202e"} & set(out)


def test_sql_for_people_and_programs(run):
    """
    The same answer comes as a table, CSV, JSON or Parquet.
    """
    query = "select name, count(*) as n from tool_calls group by all order by all"
    expected = cd.sample().sql(query)
    outputs = {kind: run("sql", "sample", query, "--output", kind)[1] for kind in ("csv", "json")}
    parquet = subprocess.run(
        ["chatdata", "sql", "sample", query, "--output", "parquet"], capture_output=True, check=True
    ).stdout
    _, table, _ = run("sql", "sample", query)

    assert expected.write_csv() == outputs["csv"]
    assert expected.to_dicts() == json.loads(outputs["json"])
    assert expected.equals(pl.read_parquet(io.BytesIO(parquet)))
    assert expected["name"].to_list() == [
        line.split()[0] for line in table.splitlines() if "_" in line
    ]


def test_tables_say_what_they_leave_out(run):
    """
    Columns that do not fit and rows beyond the hundredth are announced, not lost in silence.
    """
    _, out, _ = run("sql", "sample", "select * from messages order by all limit 103")

    assert "… 3 more rows; --output csv has them all" in out
    assert "more columns: " in out
    assert all(len(line) <= 100 for line in out.splitlines() if not line.startswith("…"))


def test_an_empty_answer_is_said_to_be_one(run):
    """
    A query that finds nothing does not look like one that broke.
    """
    _, out, _ = run("sql", "sample", "select * from messages where false")

    assert "no rows" in out


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        pytest.param(pl.Series("n", [1234567]), "1,234,567", id="whole"),
        pytest.param(pl.Series("seconds", [12.345]), "12.3", id="fraction"),
        pytest.param(pl.Series("seconds", [1234.56]), "1,235", id="large fraction"),
        pytest.param(pl.Series("error_rate", [0.0312]), "3.1%", id="rate"),
        pytest.param(pl.Series("share", [1.0]), "100.0%", id="share"),
        pytest.param(pl.Series("x", [None], dtype=pl.String), "-", id="null text"),
        pytest.param(pl.Series("x", [None], dtype=pl.Int64), "-", id="null number"),
        pytest.param(pl.Series("x", ["x" * 1000]), "x" * 160, id="a long text is cut"),
        pytest.param(pl.Series("x", [True]), "True", id="truth"),
    ],
)
def test_cells(capsys, monkeypatch, column, expected):
    """
    Values are written for people.
    """
    monkeypatch.setenv("COLUMNS", "200")
    table(column.to_frame(), title="")

    assert expected == capsys.readouterr().out.splitlines()[3].strip()


@pytest.mark.parametrize("kind", ["parquet", "csv", "json"])
def test_export_writes_every_frame(run, tmp_path, kind):
    """
    Five complete files with the rows of the frames, and nothing else in the folder.
    """
    folder = tmp_path / "new" / "folder"
    code, out, _ = run("export", "sample", "-o", folder, "--format", kind)
    read = {
        "parquet": lambda path: pl.read_parquet(path).height,
        "csv": lambda path: pl.read_csv(path, infer_schema=False).height,
        "json": lambda path: len(json.loads(path.read_text())),
    }[kind]
    written = {name: read(folder / f"{name}.{kind}") for name in FRAMES}

    assert 0 == code
    assert {name: frame.collect().height for name, frame in cd.sample().frames.items()} == written
    assert sorted(f"{name}.{kind}" for name in FRAMES) == sorted(p.name for p in folder.iterdir())
    assert f"messages.{kind}  {written['messages']:,} rows" in out


def test_export_keeps_types(run, tmp_path):
    """
    Parquet gives the frames back as they were.
    """
    run("export", "sample", "-o", tmp_path)
    expected = cd.sample().messages.collect()

    assert expected.equals(pl.read_parquet(tmp_path / "messages.parquet"))


@pytest.mark.parametrize(
    ("verb", "analysis"), [("tools", "tool_usage"), ("lengths", "length_distribution")]
)
def test_analyses_are_printed_whole(run, verb, analysis):
    """
    Programs get every column and row of the analysis behind a verb.
    """
    expected = getattr(cd.analysis, analysis)(cd.sample())
    code, out, _ = run(verb, "sample", "--output", "csv")

    assert 0 == code
    assert_frame_equal(expected, pl.read_csv(io.StringIO(out), schema=expected.schema))


def test_tools_for_people(run):
    """
    A rate comes with its interval, and where there is none the table says why.
    """
    usage = {row["name"]: row for row in cd.analysis.tool_usage(cd.sample()).to_dicts()}
    _, out, _ = run("tools", "sample")
    shown = {line.split()[0]: line for line in out.splitlines() if "_" in line}
    few = run("tools", "sample?conversations=3")[1]

    for name, row in usage.items():
        rate, low, high = (f"{row[f'error_rate{end}'] * 100:.1f}" for end in ("", "_low", "_high"))

        assert f" {row['n_tool_calls']} " in shown[name]
        assert f"{rate}% ({low}-{high})" in shown[name]
    assert "fewer than 20" in few


def test_tools_say_that_no_outcome_is_recorded(run, tmp_path):
    """
    A log without outcomes gets one sentence instead of empty columns.
    """
    path = tmp_path / "log.json"
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    path.write_text(
        json.dumps(
            {
                "messages": [
                    {"role": "user", "content": "hello"},
                    {"role": "assistant", "content": None, "tool_calls": [call]},
                    {"role": "tool", "tool_call_id": "c1", "content": "a wall"},
                ]
            }
        )
    )
    _, out, _ = run("tools", path)

    assert "no error rates: no outcomes recorded" in out
    assert "errors" not in out.splitlines()[2]


def test_lengths_for_people(run):
    """
    The table says which message rows it is about.
    """
    _, out, _ = run("lengths", "sample")
    rows = dict(cd.analysis.message_reconciliation(cd.sample()).rows())

    assert f"{rows['all']:,} message rows = {rows['counted']:,} counted" in out
    assert f"{rows['off_path']} off-path" in out
    assert "turns_role_switch" in out


@pytest.mark.parametrize("verb", ["scan", "tools", "lengths", "audit"])
def test_tables_fit_a_narrow_terminal(run, monkeypatch, verb):
    """
    At 80 columns nothing is left out and no line is longer.
    """
    monkeypatch.setenv("COLUMNS", "80")
    _, out, _ = run(verb, "sample")

    assert "more columns" not in out
    assert [] == [line for line in out.splitlines()[:-1] if len(line) > 80]


def test_audit_sets_naive_beside_certified(run):
    """
    The printed table is the audit's.
    """
    found = asked(run, "audit", "sample", "--output", "json")
    _, out, _ = run("audit", "sample")

    assert cd.sample().audit().to_dicts() == found
    assert ["naive", "certified"] == [line.split()[0] for line in out.splitlines()[-3:-1]]


def test_formats_lists_every_format(run):
    """
    What `cd.formats()` finds is what one sees.
    """
    found = asked(run, "formats", "--output", "json")

    assert [{"name": each.name, "title": each.title} for each in cd.formats()] == found


@pytest.fixture
def inputs(tmp_path):
    """
    A folder of things that are no chat logs.
    """
    (tmp_path / "empty folder").mkdir()
    (tmp_path / "words.txt").write_text("the secret is swordfish\n" * 50)
    (tmp_path / "garbage.db").write_bytes(b"\x93\x01swordfish" * 500)
    (tmp_path / "cut.db").write_bytes(b"SQLite format 3\0swordfish")
    (tmp_path / "not.json").write_text('{"swordfish": [1, 2')
    return tmp_path


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        pytest.param(["scan", "missing.db"], "missing.db: ", id="missing file"),
        pytest.param(["scan", "sqlite:///missing.db"], "missing.db: ", id="missing database"),
        pytest.param(["audit", "words.txt"], "words.txt", id="a text"),
        pytest.param(["scan", "empty folder"], "empty folder", id="an empty folder"),
        pytest.param(["audit", "garbage.db"], "encrypted or damaged", id="encrypted"),
        pytest.param(["scan", "cut.db"], "cut.db", id="cut off"),
        pytest.param(["show", "not.json", "1"], "not.json", id="cut JSON"),
        pytest.param(["scan", "mysql://me:swordfish@host/x"], "mysql", id="another database"),
        pytest.param(["sql", "sample", "selec"], "Parser Error", id="no SQL"),
        pytest.param(["sql", "sample", "select x from messages"], '"x" not found', id="no column"),
        pytest.param(["show", "sample", "nobody"], "there are 1, 2, 3", id="no conversation"),
        pytest.param(["scan", "sample", "--since", "soon"], "expected 2025-09-01", id="no time"),
        pytest.param(["scan", "sample", "--map", "user"], "expected KEY=VALUE", id="no mapping"),
        pytest.param(["scan", "sample", "--time-zone", "Mars"], "Mars", id="no time zone"),
        pytest.param(["scan", "words.txt", "--format", "nope"], "nope", id="no format"),
        pytest.param(["scan", ""], "an empty source", id="an empty source"),
        pytest.param(["scan", "words.txt", ""], "an empty", id="an empty source beside another"),
        pytest.param(["scan"], "Missing argument 'SOURCE...'", id="no source"),
        pytest.param(["scna"], "No such command 'scna'", id="no verb"),
        pytest.param(["export", "sample"], "Missing option '-o'", id="nowhere to export to"),
        pytest.param(["export", "sample", "-o", "words.txt"], "words.txt", id="not a folder"),
        pytest.param(["export", "sample", "-o", "words.txt/in"], "words.txt", id="not in a folder"),
    ],
)
def test_bad_input_gets_one_line(run, inputs, monkeypatch, words, expected):
    """
    What is wrong is said in one line that names it, and exit code 2; nothing leaks.
    """
    monkeypatch.chdir(inputs)
    code, out, err = run(*words)

    assert (2, "") == (code, out)
    assert err.startswith("chatdata: ")
    assert 1 == len(err.splitlines())
    assert expected in err
    assert "swordfish" not in err


def test_a_missing_extra_is_named(run, monkeypatch):
    """
    Whoever installed less than a verb needs is told what to install.
    """

    def missing(*_, **__):
        raise ModuleNotFoundError("No module named 'psycopg'", name="psycopg")

    monkeypatch.setattr("chatdata.load.scan_all", missing)
    code, _, err = run("scan", "sample")

    assert (2, "chatdata: this needs psycopg; install 'chatdata[postgres]'\n") == (code, err)


def test_our_own_mistakes_keep_their_traceback(run, monkeypatch):
    """
    A bug is not dressed up as bad input.
    """

    def broken(*_, **__):
        raise ZeroDivisionError

    monkeypatch.setattr("chatdata.load.scan_all", broken)
    monkeypatch.setattr(sys, "argv", ["chatdata", "scan", "sample"])
    with pytest.raises(ZeroDivisionError):
        main()


def test_interrupted(run, monkeypatch):
    """
    Ctrl-C ends quietly, with the code that shells expect.
    """

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("chatdata.load.scan_all", interrupted)
    code, out, err = run("scan", "sample")

    assert (130, "", "") == (code, out, err.strip())


def test_a_reader_may_leave_early():
    """
    A closed pipe ends the program without a word.
    """
    query = "select * from messages order by all"
    pipe = f"chatdata sql 'sample?conversations=3000' '{query}' --output csv | head -1"
    ended = subprocess.run(
        ["bash", "-c", f"{pipe}; exit ${{PIPESTATUS[0]}}"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (0, "") == (ended.returncode, ended.stderr)
    assert ended.stdout.startswith("message_id,")


def test_progress_is_for_people(monkeypatch, capsys):
    """
    Something slow shows a sign of life on a terminal's stderr, and nowhere else.
    """
    monkeypatch.setattr("chatdata.cli.progress._PATIENCE_S", 0.0)
    with working("Reading"):
        pass
    quiet = capsys.readouterr()
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    started = []
    monkeypatch.setattr("rich.status.Status.start", lambda self: started.append(self.status))
    with working("Reading"):
        while not started:
            pass

    assert ("", "") == (quiet.out, quiet.err)
    assert ["Reading …"] == started
    assert "" == capsys.readouterr().out


def test_the_package_runs_as_a_module():
    """
    `python -m chatdata` is the command line, for whoever has its program not on the path.
    """
    command = [sys.executable, "-m", "chatdata", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)

    assert f"chatdata {cd.__version__}" == done.stdout.strip()
