"""The program itself: finds a verb when it is asked for, and ends every failure with one line.

Exit codes: 0 done, 2 the question or its source is wrong, 130 interrupted; the `db` verbs have
more. Only click is loaded here, because `--help` and `--version` should answer at once.
"""

from __future__ import annotations

import os
import sys
import warnings
from importlib import import_module

import click

from chatdata import __version__
from chatdata.errors import ChatdataError, MigrationError

# Where each verb lives; after the colon its name there, where Python would not take the verb's.
_HOMES = {
    "demo": "chatdata.cli.demo",
    "scan": "chatdata.cli.scan",
    "show": "chatdata.cli.show",
    "tools": "chatdata.cli.tables",
    "lengths": "chatdata.cli.tables",
    "audit": "chatdata.cli.tables",
    "sql": "chatdata.cli.tables",
    "formats": "chatdata.cli.tables",
    "truth-pack": "chatdata.cli.truth:truth_pack",
    "export": "chatdata.cli.export",
    "import": "chatdata.cli.lake:import_",
    "compact": "chatdata.cli.lake",
    "export-raw": "chatdata.cli.lake:export_raw",
    "report": "chatdata.cli.report",
    "lab": "chatdata.cli.report",
    "notebooks": "chatdata.cli.notebooks",
    "db": "chatdata.cli.db",
}

# What a verb may miss, and the extra that brings it.
_EXTRAS = {
    **dict.fromkeys(("adbc_driver_postgresql", "psycopg"), "postgres"),
    **dict.fromkeys(("altair", "great_tables", "IPython", "ipykernel"), "lab"),
    **dict.fromkeys(("detect_secrets", "nbclient", "nbconvert", "nbformat", "vl_convert"), "lab"),
    "pyspark": "spark",
}


# The allocator that Polars brings keeps what was freed for ten seconds, and what no thread asks for
# again for good; an import of millions of messages takes a fifth less memory so, at the same speed.
_ALLOCATOR = {"_RJEM_MALLOC_CONF": "background_thread:true,dirty_decay_ms:500,muzzy_decay_ms:0"}


class _Verbs(click.Group):
    """A group that imports a verb when it is named."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's own
        """Name the verbs in the order in which one meets them."""
        return list(_HOMES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import the verb."""
        home, _, name = _HOMES.get(cmd_name, "").partition(":")
        return getattr(import_module(home), name or cmd_name) if home else None


@click.command(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="chatdata %(version)s")
def chatdata() -> None:
    """Numbers you can trust, from any chat log, at any size.

    A SOURCE is a file, a folder, a glob, an archive, a database (sqlite:///app.db,
    postgresql://user@host/name) or "sample", a world made up for trying things.
    """


def main() -> None:
    """Run the program and exit."""
    for name, value in _ALLOCATOR.items():
        os.environ.setdefault(name, value)
    with warnings.catch_warnings():
        warnings.showwarning = _warn
        sys.exit(_run())


def _run() -> int:
    """Run the program and give its exit code."""
    try:
        code = chatdata.main(prog_name="chatdata", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.message)
        code = 0
    except click.Abort:
        code = 130
    except BrokenPipeError:
        # Whoever read our output has seen enough; Python would complain once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except Exception as error:
        line = _one_line(error)
        if line is None:
            raise
        click.echo(f"chatdata: {line}", err=True)
        code = error.exit_code if isinstance(error, MigrationError) else 2
    return code if isinstance(code, int) else 0


def _warn(message: Warning | str, *_: object, **__: object) -> None:
    """Print a warning as one line, without the place in our code that gave it."""
    click.echo(f"chatdata: warning: {message}", err=True)


def _one_line(error: Exception) -> str | None:
    """Say what is wrong, or None where the error is ours and its traceback is needed."""
    if isinstance(error, click.UsageError):
        hint = f" Try '{error.ctx.command_path} --help'." if error.ctx else ""
        return error.format_message() + hint
    if isinstance(error, click.ClickException | ChatdataError):
        return str(error)
    if isinstance(error, ModuleNotFoundError) and error.name in _EXTRAS:
        return f"this needs {error.name}; install 'chatdata[{_EXTRAS[error.name]}]'"
    if isinstance(error, OSError):
        return f"{error.filename or 'input'}: {error.strerror or error}"
    return None
