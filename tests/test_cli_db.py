"""`chatdata db` in the terminal."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from chatdata import migrate
from chatdata.cli.db import db


@pytest.fixture
def run():
    """
    Run a verb without a terminal, as a script would.
    """
    return lambda *arguments: CliRunner().invoke(db, list(arguments))


@pytest.fixture
def url(tmp_path):
    """
    An SQLite database that does not exist yet.
    """
    return f"sqlite:///{tmp_path / 'app.db'}"


def test_upgrade(run, url):
    """
    `upgrade --yes` creates a database and says what it did.
    """
    result = run("upgrade", url, "--yes")

    assert 0 == result.exit_code
    assert "base -> " in result.stdout
    assert migrate.current_revision(url) is not None


def test_upgrade_as_json(run, url):
    """
    With `--json` the result is one JSON object.
    """
    result = json.loads(run("upgrade", url, "--yes", "--to", "0001", "--json").stdout)

    assert (None, "0001", ["0001"]) == (result["before"], result["after"], result["steps"])


def test_nothing_to_do_needs_no_answer(run, url):
    """
    A database at head is left alone, so nothing has to be confirmed.
    """
    run("upgrade", url, "--yes")
    result = run("upgrade", url)

    assert 0 == result.exit_code
    assert "nothing to do" in result.stdout


def test_no_terminal_and_no_yes(run, url, tmp_path):
    """
    Without a terminal and without `--yes` nothing is written.
    """
    result = run("upgrade", url)

    assert 3 == result.exit_code
    assert "--yes" in result.stderr
    assert [] == list(tmp_path.iterdir())


def test_errors_are_one_line(run):
    """
    A mistake gives one line and the exit code for usage, no traceback.
    """
    result = run("upgrade", "mysql://u:secret@host/name", "--yes")

    assert 2 == result.exit_code
    assert 1 == len(result.stderr.splitlines())
    assert "secret" not in result.output
