"""A report to hand on."""

from __future__ import annotations

import re
import shutil
import subprocess

import polars as pl
import pytest
from chat_rows import called, chats, conversation, said

import chatdata as cd
from chatdata import schema
from chatdata.report import report
from chatdata.report.figures import figures

FAILED = {"status": "error", "error_source": "explicit"}


def _two_sources():
    """
    A source that records outcomes and one that records only failures.
    """
    return chats(
        conversations=[conversation("a"), conversation("b", origin="other", user_id=None)],
        messages=[
            *said("user", "assistant", conversation_id="a"),
            *said("user", {"role": "assistant", "is_main_path": False}, conversation_id="b"),
        ],
        tool_calls=[
            *called(*[{}] * 30, *[FAILED] * 3, conversation_id="a", message_id="a.1"),
            *called(*[FAILED] * 9, conversation_id="b"),
            *called("x", conversation_id="gone"),
        ],
    )


LOGS = {
    "sample": lambda: cd.sample(60),
    "empty": chats,
    "one message": lambda: chats(messages=said({"role": "user", "at": 0})),
    "no times": lambda: chats(messages=said("user", "assistant")),
    "silent": lambda: chats(conversations=[conversation()]),
    "only failures": lambda: chats(tool_calls=called(*[FAILED] * 30)),
    "no outcomes": lambda: chats(tool_calls=called({"status": "unknown"}, None)),
    "two sources": _two_sources,
    "many tools": lambda: chats(
        messages=said("user", {"role": "assistant", "at": 1}),
        tool_calls=called(*(f"tool {place:04}" for place in range(2000)), message_id="c.1"),
    ),
}
each_log = pytest.mark.parametrize("log", LOGS)


@each_log
def test_every_figure_is_derived_again_by_its_query(log):
    """
    The query beside a figure gives its values.
    """
    value = LOGS[log]()

    for figure in figures(value):
        assert figure.values == value.sql(figure.sql).row(0), figure.sentence


@each_log
def test_report_works_on_any_log(log, tmp_path):
    """
    Whatever the log, the page is whole, small, quiet about what is not known, and shows its SQL.
    """
    text = report(LOGS[log](), tmp_path / "new" / "report.html").read_text(encoding="utf-8")
    shown = re.sub(r"<(style|pre)[^>]*>.*?</\1>", "", text, flags=re.DOTALL)

    assert [] == re.findall(r">[^<]*\b(None|NaN|nan|inf|undefined)\b[^<]*<", shown)
    assert text.count("<summary>") == len(list(figures(LOGS[log]())))
    assert [] == re.findall(r"(?:src|href)=\"(?!#)[^\"]*|@import|url\((?!#)|<script", text)
    assert 2_000_000 > len(text.encode())


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        pytest.param("empty", "There are no conversations to measure.", id="empty"),
        pytest.param("empty", "No tool was called.", id="no calls"),
        pytest.param("no times", "No message has a time", id="no times"),
        pytest.param("only failures", "only failures recorded", id="only failures"),
        pytest.param("no outcomes", "no outcomes recorded", id="no outcomes"),
        pytest.param("no outcomes", "cannot be said", id="no latency"),
        pytest.param("two sources", "3 of 34 calls with a known outcome failed", id="rated apart"),
        pytest.param("sample", "95 % interval", id="intervals"),
    ],
)
def test_report_says_what_cannot_be_said(log, expected, tmp_path):
    """
    Where the log does not record something, a sentence stands in place of an empty section.
    """
    assert expected in report(LOGS[log](), tmp_path / "report.html").read_text(encoding="utf-8")


def test_report_holds_nothing_that_anybody_wrote(tmp_path):
    """
    No title, text, argument, result, path, project, id or name of a user gets into the page.
    """
    canary = "CANARY"
    row = conversation(
        f"{canary}-id",
        user_id=f"{canary}-user",
        origin=f"/{canary}/origin",
        title=f"{canary} title",
        project=f"/{canary}/project",
        extra=f'{{"k":"{canary}"}}',
    )
    texts = {name: f"{canary} {name}" for name in ("content", "reasoning", "extra", "role_raw")}
    messages = said(
        *[{"role": "user", "at": n, **texts} for n in range(3)], conversation_id=f"{canary}-id"
    )
    calls = called(
        *[{**FAILED, "result": f"{canary} result", "arguments": f'{{"a":"{canary}"}}'}] * 25,
        *[{"arguments_raw": canary, "arguments_status": "invalid"}] * 25,
        conversation_id=f"{canary}-id",
    )
    reject = {"source": "test", "origin": f"/{canary}", "path": f"/{canary}", "reason": "no JSON"}
    log = chats(conversations=[row], messages=messages, tool_calls=calls)
    log = log.with_frames(rejects=pl.DataFrame([reject], schema=schema.REJECTS.schema).lazy())
    text = report(log, tmp_path / "report.html").read_text(encoding="utf-8")

    assert "no JSON" in text
    assert canary.lower() not in text.lower()


@pytest.mark.browser
def test_report_opens_in_a_browser(tmp_path):
    """
    Chromium draws every chart and table of the page.
    """
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium on this machine")
    page = report(cd.sample(60), tmp_path / "report.html")
    command = [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", page.as_uri()]
    dom = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout

    assert page.read_text(encoding="utf-8").count("<svg") == dom.count("<svg") > 5
    assert dom.count("<table") > 5
