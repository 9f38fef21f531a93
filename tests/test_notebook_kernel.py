"""What an analyst meets in a running notebook: `%%sql`, completion, errors."""

from __future__ import annotations

import re

import pytest
from jupyter_client.manager import start_new_kernel

BEGIN = """
import polars as pl
import chatdata as cd
from chatdata import notebook as nb
chats = nb.read("sample?conversations=20")
nb.setup(chats)
nb.setup(chats)
mine = pl.DataFrame({"my_own_column": [1]})
"""


@pytest.fixture(scope="module")
def kernel():
    """
    A kernel in which a notebook has begun, as a runner of code: code in, outputs out.
    """
    manager, client = start_new_kernel(extra_arguments=["--IPKernelApp.log_level=ERROR"])
    outputs = []

    def run(code):
        outputs.clear()
        reply = client.execute_interactive(code, timeout=120, output_hook=outputs.append)
        contents = [each["content"] for each in outputs if each["msg_type"] != "status"]
        return reply["content"]["status"], contents

    run.client = client
    try:
        assert ("ok", []) == (run(BEGIN)[0], [each for each in run(BEGIN)[1] if "code" not in each])
        yield run
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def text_of(contents):
    """
    What the cell shows as plain text.
    """
    return " ".join(each["data"]["text/plain"] for each in contents if "data" in each)


def test_sql_answers(kernel):
    """
    A cell shows the rows of its query, in the order that the query asks for.
    """
    status, contents = kernel("%%sql\nselect unnest([3, 1, 2]) as n order by n")

    assert status == "ok"
    assert ["1", "2", "3"] == re.findall(r"│ (\d) ", text_of(contents))


def test_sql_keeps_its_answer(kernel):
    """
    A name after `%%sql` holds the answer as a frame, and the cell shows nothing.
    """
    status, contents = kernel("%%sql kept\nselect count(*) as n from conversations")

    assert ("ok", "") == (status, text_of(contents))
    assert "20" == text_of(kernel("kept['n'].item()")[1])
    kernel("line = %sql select count(*) as n from conversations")
    assert "20" == text_of(kernel("line['n'].item()")[1])


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        pytest.param("%%sql\nselec 1", "Parser Error: syntax error", id="no SQL"),
        pytest.param("%%sql\nselect nothing from messages", '"nothing" not found', id="no column"),
        pytest.param("%%sql\nselect content::int from messages", "it is not shown", id="a value"),
        pytest.param("%%sql no name\nselect 1", "found 'no name' after %%sql", id="no name"),
        pytest.param("cd.scan('missing.jsonl')", "missing.jsonl", id="a source that is not there"),
    ],
)
def test_errors_are_one_line(kernel, code, expected):
    """
    What is wrong is said in one line, without a traceback through our code, and the cell fails.
    """
    status, contents = kernel(code)
    (error,) = [each for each in contents if "traceback" in each]

    assert status == "error"
    assert 1 == len("\n".join(error["traceback"]).splitlines())
    assert expected in error["traceback"][0]
    assert [] == [each for each in contents if each.get("name") == "stderr"]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        pytest.param("%%sql\nselect created_at_", {"created_at_precision"}, id="a column in SQL"),
        pytest.param("%%sql\nfrom accoun", {"accounting"}, id="a table in SQL"),
        pytest.param("%sql select arguments_s", {"arguments_status"}, id="a line of SQL"),
        pytest.param("pl.col('arguments_s", {"arguments_status"}, id="a string"),
        pytest.param('chats.messages.select("n_ch', {"n_chars"}, id="an argument"),
        pytest.param('frame["role_r', {"role_raw"}, id="an index"),
        pytest.param("pl.col.finish_", {"finish_reason"}, id="an attribute"),
        pytest.param("mine.select('my_own", {"my_own_column"}, id="a frame of one's own"),
    ],
)
def test_columns_are_completed(kernel, code, expected):
    """
    What a log has is offered where it may be named, and put in the place of what is begun.
    """
    reply = kernel.client.complete(code, reply=True, timeout=60)["content"]
    begun = code[reply["cursor_start"] : reply["cursor_end"]]

    assert expected == {match.strip("\"'") for match in reply["matches"]}
    assert all(match.startswith(begun) for match in reply["matches"])


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("content_", id="a name"),
        pytest.param("text = 'a created_", id="inside a text"),
        pytest.param("%%sql created_", id="a name for the answer"),
    ],
)
def test_columns_are_not_pushed(kernel, code):
    """
    Where no column can be meant, none is offered.
    """
    reply = kernel.client.complete(code, reply=True, timeout=60)["content"]

    assert not {"content", "created_at", "created_at_precision"} & set(reply["matches"])
