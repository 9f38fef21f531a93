"""How a call ended: its own flags first, then its result, then the words of its result."""

from __future__ import annotations

import pytest
from stored_calls import call, read_row

from chatdata.tool_calls.outcome import Outcome, error_class, is_told, outcome

OK = Outcome("ok", "flag", "no_result")
ERROR = Outcome("error", "flag", "no_result")
SILENT = Outcome("no_result", None, "no_result")


@pytest.mark.parametrize(
    ("word", "status"),
    [
        *((word, "ok") for word in ("success", "succeeded", "ok", "completed", "complete", "done")),
        *((word, "error") for word in ("error", "failed", "failure")),
        *((word, "denied") for word in ("denied", "rejected")),
        *((word, "cancelled") for word in ("cancelled", "canceled")),
        *((word, "timeout") for word in ("timeout", "timed_out")),
        *((word, "no_result") for word in ("pending", "running", "in_progress")),
    ],
)
@pytest.mark.parametrize("style", ["{}", " {}\n", "ToolStatus.{}", "app.models.Status.{}"])
def test_status_words(word, status, style):
    """
    A status is known by its word, in any case, also as the name of an enumeration's member.
    """
    for written in (word, word.upper(), word.title()):
        told = outcome({"status": style.format(written)}, None, has_result=False)

        assert Outcome(status, "flag", "no_result") == told


@pytest.mark.parametrize(
    "word", ["", "ready", "successful-ish", None, 7, 0.5, [], {"status": "ok"}]
)
def test_other_words_tell_nothing(word):
    """
    A word that is not known says nothing, and is kept.
    """
    assert SILENT == outcome({"status": word}, None, has_result=False)
    assert not is_told("status", word)


TRUE = [True, 1, "1", "true", "True", " TRUE "]
FALSE = [False, 0, "0", "false", "False", "FALSE\n"]
NEITHER = [None, 2, -1, "", "yes", "2", [], {}, 0.5]


@pytest.mark.parametrize("flag", ["success", "is_error", "isError", "status"])
@pytest.mark.parametrize(
    ("value", "truth"),
    [*((v, True) for v in TRUE), *((v, False) for v in FALSE), *((v, None) for v in NEITHER)],
)
def test_flags(flag, value, truth):
    """
    A flag is a truth value, 0 or 1, or the text of one; anything else is no flag.
    """
    bad = flag in ("is_error", "isError")
    expected = SILENT if truth is None else ERROR if truth is bad else OK

    assert expected == outcome({flag: value}, None, has_result=False)
    assert (truth is not None) == is_told(flag, value)


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ({}, SILENT),
        ({"status": "success", "success": False}, ERROR),
        ({"status": "success", "is_error": True}, ERROR),
        ({"status": "success", "error": "boom"}, ERROR),
        ({"status": "failed", "success": True}, ERROR),
        ({"status": "denied", "success": False}, Outcome("denied", "flag", "no_result")),
        ({"status": "running", "success": True}, Outcome("no_result", "flag", "no_result")),
        ({"status": False, "success": True}, ERROR),
        ({"status": "0", "is_error": False}, ERROR),
        ({"success": True, "error": "boom"}, ERROR),
        ({"success": True, "is_error": False}, OK),
        ({"is_error": 0}, OK),
        ({"is_error": None, "isError": True}, ERROR),
        ({"is_error": False, "isError": True}, OK),
        ({"error": "boom"}, ERROR),
        ({"error": {"code": 1}}, ERROR),
        ({"error": True}, ERROR),
        *(
            ({"error": no}, SILENT)
            for no in (None, "", " ", "None", "null", "false", "0", "[]", " {}", {}, [], 0)
        ),
        ({"status": "ready", "success": True}, OK),
        ({"status": "ready", "is_error": "True"}, ERROR),
    ],
)
def test_flags_together(flags, expected):
    """
    Whatever says that a call failed wins over what says that it succeeded.
    """
    assert expected == outcome(flags, None, has_result=False)


@pytest.mark.parametrize(
    ("result", "status"),
    [
        ({"success": True}, "ok"),
        ({"success": "True"}, "ok"),
        ({"success": 1}, "ok"),
        ({"success": True, "error": None}, "ok"),
        ({"success": True, "error": ""}, "ok"),
        ({"success": True, "is_error": False}, "ok"),
        ({"success": False}, "error"),
        ({"success": "False"}, "error"),
        ({"success": 0}, "error"),
        ({"success": True, "error": "boom"}, "error"),
        ({"success": True, "is_error": True}, "error"),
        ({"success": True, "isError": True}, "error"),
        ({"is_error": True}, "error"),
        ({"isError": "true"}, "error"),
        ({"error": "boom"}, "error"),
        ({"error": {"message": "boom"}}, "error"),
        ({"error": 1}, "error"),
        ({"is_error": False}, None),
        ({"error": None}, None),
        ({"error": "none"}, None),
        ({"success": "maybe"}, None),
        ({"status": "failed"}, None),
        ({"task": {"success": False}}, None),
        ([{"success": True}], None),
        ([], None),
        (3, None),
        (True, None),
    ],
)
def test_results_that_tell(result, status):
    """
    A result's own success and error say how its call ended; nothing else in it does.
    """
    expected = Outcome(status, "result", status) if status else Outcome("unknown", None, "unknown")

    assert expected == outcome(None, result, has_result=True)
    assert expected == outcome({"status": "ready"}, result, has_result=True)


@pytest.mark.parametrize(
    ("text", "is_error"),
    [
        ("Tool add_task failed", True),
        ("Tool add_task failed: no such user", True),
        ("  Error", True),
        ("Error: not found", True),
        ("Error\nnot found", True),
        ("Errors were not found", False),
        ("error: not found", False),
        ("ErrorCode 7", False),
        ("An Error", False),
        ("Tool add_task has failed", False),
        ("The Tool add_task failed", False),
        ("Tool failed", False),
        ("Task added", False),
    ],
)
def test_texts_that_tell(text, is_error):
    """
    Two ways to begin a result's text say that its call failed; no other text does.
    """
    expected = (
        Outcome("error", "text", "error") if is_error else Outcome("unknown", None, "unknown")
    )

    assert expected == outcome(None, text, has_result=True)


def test_precedence():
    """
    A flag goes before the result, and tells what the result alone would have said.
    """
    failed = {"success": False}

    assert Outcome("ok", "flag", "error") == outcome({"status": "ok"}, failed, has_result=True)
    assert Outcome("ok", "flag", "error") == outcome({"success": 1}, "Error", has_result=True)
    assert Outcome("error", "flag", "ok") == outcome(
        {"is_error": 1}, {"success": True}, has_result=True
    )
    assert Outcome("ok", "flag", "unknown") == outcome({"success": 1}, "Fine", has_result=True)


@pytest.mark.parametrize("kind", ["function_call", "custom_tool_call"])
@pytest.mark.parametrize("word", ["completed", "in_progress"])
def test_a_written_item_is_no_outcome(kind, word):
    """
    The status of a Responses item says that the item was written: only its output tells more.
    """
    item = {"type": kind, "call_id": "c1", "name": "a", "status": word}
    failed = {"type": f"{kind}_output", "call_id": "c1", "output": '{"success": false}'}

    assert "no_result" == call([item])["status"]
    assert ("error", "result") == (
        call([item, failed])["status"],
        call([item, failed])["status_evidence"],
    )
    assert "error" == call([{**item, "status": "failed"}])["status"]
    assert "ok" == call([{**item, "type": "mcp_call", "status": "completed"}])["status"]


@pytest.mark.parametrize(
    ("told", "result", "expected"),
    [
        (("ok", "flag"), {"code": "timeout"}, None),
        (("unknown", None), {"code": "timeout"}, None),
        (("denied", "flag"), {"code": "permission"}, None),
        (("cancelled", "flag"), None, None),
        (("no_result", None), None, None),
        (("timeout", "flag"), None, "timeout"),
        (("timeout", "flag"), {"code": "limit"}, "timeout"),
        (("error", "text"), "Error", None),
        (("error", "flag"), None, "unknown"),
        (("error", "flag"), "not_found", "unknown"),
        (("error", "result"), {"error": "boom"}, "unknown"),
        (("error", "result"), {"error": "not_found"}, "unknown"),
        (("error", "result"), {"code": 404}, "unknown"),
        (("error", "result"), {"code": None, "error_code": " Rate_Limit "}, "rate_limit"),
        (("error", "result"), {"code": "limit", "error_class": "sandbox"}, "sandbox"),
        (("error", "result"), {"code": "limit", "error_type": "transport"}, "transport"),
        (("error", "result"), {"error_type": "TypeError", "code": "not_found"}, "not_found"),
        *(
            (("error", "flag"), {key: word}, word)
            for key in ("error_class", "error_type", "error_code", "code")
            for word in ("cancelled", "invalid_arguments", "limit", "not_found", "permission")
        ),
        *(
            (("error", "flag"), {"code": word}, word)
            for word in ("rate_limit", "sandbox", "timeout", "transport", "unknown")
        ),
    ],
)
def test_error_classes(told, result, expected):
    """
    A failed call has the class that its own code names; other codes are of class unknown.
    """
    assert expected == error_class(Outcome(*told, "unknown"), result)


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("success", True, True),
        ("status", "DONE", True),
        ("is_error", "0", True),
        ("isError", False, True),
        ("status", "half done", False),
        ("error", "", False),
        ("error", False, False),
        ("note", True, False),
    ],
)
def test_what_a_status_says(key, value, expected):
    """
    A flag that the status says wholly is not kept besides; an error's own words are.
    """
    assert expected == is_told(key, value)


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ({}, ("no_result", None, "no_result", None)),
        ({"result": {"task": 1}}, ("unknown", None, "unknown", None)),
        ({"result": "Error: no"}, ("error", "text", "error", None)),
        ({"result": '"Error: no"'}, ("error", "text", "error", None)),
        ({"result": {"error": "no"}}, ("error", "result", "error", "unknown")),
        ({"result": "{'success': False, 'code': 'limit'}"}, ("error", "result", "error", "limit")),
        ({"status": "SUCCESS", "result": {}}, ("ok", "flag", "no_result", None)),
        ({"status": "timeout"}, ("timeout", "flag", "no_result", "timeout")),
        ({"success": "False", "result": "x"}, ("error", "flag", "unknown", "unknown")),
    ],
)
def test_calls_carry_it(item, expected):
    """
    A call's row has the status, what it rests on, what it would be without flags, and the class.
    """
    for row in (call([{"name": "a", **item}]), call([{"type": "function", "name": "a", **item}])):
        found = (row["status"], row["status_evidence"], row["status_below"], row["error_class"])

        assert expected == found


def test_rows_carry_it():
    """
    A row of a tool table tells its outcome in columns of its own.
    """
    row = read_row(name="a", arguments=None, result='{"success": true}', status="Status.FAILED")

    assert ("error", "flag", "ok") == (row["status"], row["status_evidence"], row["status_below"])
    assert "error" == read_row(name="a", result=None, error="boom")["status"]
    assert "unknown" == read_row(name="a", result="x", error="null")["status"]
    assert "ok" == read_row(name="a", is_error="0")["status"]


@pytest.mark.parametrize("key", ["is_success", "was_successful", "is_successful", "isSuccess"])
def test_names_of_success(key):
    """
    That a call succeeded is said under several names, and the first that says anything counts.
    """
    assert OK == outcome({key: 1}, None, has_result=False)
    assert ERROR == outcome({key: False}, None, has_result=False)
    assert ERROR == outcome({"success": False, key: True}, None, has_result=False)
    assert is_told(key, "True")


def test_results_of_mcp():
    """
    A result of MCP says in isError, which is always there, how its call ended.
    """
    content = [{"type": "text", "text": "x"}]

    for flag, status in ((False, "ok"), (True, "error")):
        told = outcome(None, {"content": content, "isError": flag}, has_result=True)

        assert (status, "result") == told[:2]
    assert "unknown" == outcome(None, {"isError": False}, has_result=True).status
