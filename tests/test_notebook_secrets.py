"""Passwords and keys are noticed before anything is written."""

from __future__ import annotations

import logging
import subprocess
import sys
from types import SimpleNamespace

import nbformat
import pytest
from chat_rows import called, chats
from nbformat.v4 import new_code_cell, new_notebook, new_output

from chatdata.notebook import export, refresh
from chatdata.notebook.keys import detectors
from chatdata.notebook.secrets import SecretsWarning, secrets, warn_on_save
from chatdata.report import report

# Put together here, so that nobody's scanner takes this file for a leak.
AWS = "AKIA" + "QWERTYUIOPASDFGH"
GITHUB = "ghp" + "_" + "a1B2c3" * 6
FORMS = [
    ("Anthropic Key", "sk-ant", "-api03-", "aB3_" * 24),
    ("Databricks Token", "dapi", "", "0a1b" * 8),
    ("DigitalOcean Token", "dop", "_v1_", "0a1b" * 16),
    ("GitHub Token", "github", "_pat_", "a1B2c" * 4 + "a1_" + "a1B2c" * 11 + "a1B2"),
    ("GitHub Token", "gho", "_", "a1B2c3" * 6),
    ("Google API Key", "AIza", "", "Sy-_a" * 7),
    ("Google OAuth Secret", "GOCSPX", "-", "aB3_" * 7),
    ("Groq Key", "gsk", "_", "aB3c" * 13),
    ("Hugging Face Token", "hf", "_", "aBcD" * 8 + "eF"),
    ("LangSmith Key", "lsv2", "_pt_", "0a1b" * 8 + "_" + "0a1b2" * 2),
    ("Langfuse Key", "sk-lf", "-", "0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f"),
    ("Linear Key", "lin", "_api_", "aB3c" * 10),
    ("Notion Token", "ntn", "_", "aB3c5" * 9),
    ("OpenAI Token", "sk", "-proj-", "aB3_" * 18 + "T3Blb" + "kFJ" + "aB3_" * 18),
    ("OpenAI Token", "sk", "-svcacct-", "aB3_" * 12),
    ("OpenAI Token", "sk", "-", "aB3c5" * 4 + "T3Blb" + "kFJ" + "aB3c5" * 4),
    ("OpenRouter Key", "sk-or", "-v1-", "0a1b" * 16),
    ("Perplexity Key", "pplx", "-", "aB3c" * 12),
    ("Replicate Token", "r8", "_", "aB3c" * 9 + "d"),
    ("Supabase Token", "sbp", "_", "0a1b" * 10),
    ("Tavily Key", "tvly", "-", "dev-" + "aB3c" * 8),
    ("xAI Key", "xai", "-", "aB3c" * 20),
]
URL = "postgresql://me:" + "swordfish@db.example/app"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", {}, id="nothing"),
        pytest.param("a b", {}, id="words"),
        pytest.param("10.1.2.3 550e8400-e29b-41d4-a716-446655440000", {}, id="addresses, ids"),
        pytest.param("postgresql://me@db.example/app", {}, id="a URL without a password"),
        pytest.param(f"<td>{AWS}</td>\n{AWS}", {"AWS Access Key": 1}, id="one key, twice"),
        pytest.param(
            f"{URL}\n{GITHUB}", {"Basic Auth Credentials": 1, "GitHub Token": 1}, id="two kinds"
        ),
        pytest.param("-----BEGIN " + "RSA PRIVATE KEY-----", {"Private Key": 1}, id="a key file"),
    ],
)
def test_secrets(text, expected):
    """
    Secrets are known by their form and counted by kind; what has no such form is none.
    """
    assert expected == secrets(text)


@pytest.mark.parametrize(
    ("kind", "key"), [(kind, "".join(parts)) for kind, *parts in FORMS], ids=[f[0] for f in FORMS]
)
def test_keys_of_providers(kind, key):
    """
    A key is found by its form wherever it stands, once, under one kind; what is cut short is none.
    """
    around = (f"<td>{key}</td>", f'{{"said": "{key}"}}', f"SAID={key} and", f"a\\n{key}\\n")

    assert [{kind: 1}] * len(around) == [secrets(text) for text in around]
    assert {} == secrets(key[:9])
    assert {} == secrets(f"x{key}")


def test_every_kind_of_key_is_tried():
    """
    A rule that is added is tried by the test above.
    """
    assert {kind for kind, *_ in FORMS} == set(detectors())


def test_a_report_warns_before_it_is_written(tmp_path):
    """
    A tool that is named like a key is warned of, by its kind alone, and the page is written.
    """
    log = chats(tool_calls=called(AWS))
    with pytest.warns(SecretsWarning, match=r"page.html: holds .* AWS Access Key \(1\)") as caught:
        report(log, tmp_path / "page.html")

    assert AWS not in str(caught[0].message)
    assert (tmp_path / "page.html").exists()


def test_notebooks_warn_before_they_are_written(tmp_path):
    """
    So do a refreshed notebook and an exported page.
    """
    path = tmp_path / "asked.ipynb"
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(new_notebook(cells=[new_code_cell(f"print('{AWS}')")], metadata=kernel), path)

    with pytest.warns(SecretsWarning, match="asked.ipynb: holds"):
        assert [path] == refresh([path])
    with pytest.warns(SecretsWarning, match="page.html: holds"):
        export([path], tmp_path / "page.html")


@pytest.mark.parametrize(
    ("kind", "said", "expected"),
    [
        pytest.param("notebook", AWS, ["chatdata: a.ipynb: holds"], id="a notebook"),
        pytest.param("notebook", "hello", [], id="without secrets"),
        pytest.param("file", AWS, [], id="another file"),
    ],
)
def test_jupyterlab_warns_when_a_notebook_is_saved(kind, said, expected, caplog):
    """
    The hook that the lab runs on saving logs one line, without the secret, and never refuses.
    """
    output = new_output("stream", name="stdout", text=said)
    content = new_notebook(cells=[new_code_cell("x", outputs=[output])])
    manager = SimpleNamespace(log=logging.getLogger("lab"))
    warn_on_save(model={"type": kind, "content": content}, path="a.ipynb", contents_manager=manager)
    lines = [record.getMessage() for record in caplog.records]

    assert expected == [line[: len("chatdata: a.ipynb: holds")] for line in lines]
    assert AWS not in caplog.text


def test_the_terminal_warns_in_one_line(tmp_path):
    """
    A warning is a line on stderr, without a place in our code, and the exit code stays 0.
    """
    message = '{"role":"assistant","content":null,"tool_calls":[{"id":"1","type":"function",'
    call = f'"function":{{"name":"{AWS}","arguments":"{{}}"}}}}]}}'
    user = '{"messages":[{"role":"user","content":"x"},'
    (tmp_path / "log.json").write_text(f"{user}{message}{call}]}}")
    code = "from chatdata.cli import main; main()"
    command = [sys.executable, "-c", code, "report", "log.json", "-o", "page.html"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert (0, "page.html\n") == (done.returncode, done.stdout)
    assert done.stderr.startswith("chatdata: warning: page.html: holds what looks like secrets: ")
    assert 1 == len(done.stderr.splitlines())
    assert AWS not in done.stderr
