"""What several verbs share: sources and the questions asked of them, made into one `Chats`."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, TypeVar

import click

from chatdata import moments
from chatdata.cli.progress import working
from chatdata.engines import NAMES as ENGINES
from chatdata.errors import QueryError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from chatdata.chats import Chats

    Option = Callable[[Callable[..., None]], Callable[..., None]]

_Read = TypeVar("_Read")


def moment(text: str) -> datetime:
    """Read a date or a time; without a zone it means UTC."""
    return _understood(moments.moment, text)


def pair(text: str) -> tuple[str, str]:
    """Read a `KEY=VALUE`."""
    key, _, value = text.partition("=")
    if not (key and value):
        raise click.BadParameter(f"found {text!r}, expected KEY=VALUE.")
    return key, value


def mapped(text: str) -> dict[str, str]:
    """Read a `KEY=VALUE`, or a TOML file of them."""
    if text.endswith(".toml") and "=" not in text:
        from chatdata.load import read_map

        return read_map(text)
    return dict([pair(text)])


def as_one(mappings: tuple[dict[str, str], ...]) -> dict[str, str] | None:
    """Put mappings together, of which the last one says what counts; None for none."""
    return {key: name for one in mappings for key, name in one.items()} or None


def zone(text: str) -> str:
    """Check the name of a time zone."""
    return _understood(moments.zone, text)


def _understood(read: Callable[[str], _Read], text: str) -> _Read:
    try:
        return read(text)
    except QueryError as error:
        raise click.BadParameter(f"{error}.") from None


time_zone_option = click.option(
    "--time-zone",
    type=zone,
    metavar="ZONE",
    default="UTC",
    show_default=True,
    help="The zone of times stored without one.",
)
schema_option = click.option("--schema", metavar="NAME", help="Of a PostgreSQL database.")
map_option = click.option(
    "--map",
    "mapping",
    type=mapped,
    multiple=True,
    metavar="KEY=VALUE|FILE.toml",
    help="What a table calls something, as in role=speaker; may be repeated.",
)
_SOURCES = click.argument("sources", metavar="SOURCE...", nargs=-1, required=True)
_QUESTIONS = (
    click.option("--user", "user_id", metavar="ID", help="Only this user's conversations."),
    click.option("--since", type=moment, metavar="TIME", help="Only messages from then on."),
    click.option("--until", type=moment, metavar="TIME", help="Only messages before then."),
    click.option("--no-text", is_flag=True, help="Leave out everything anybody wrote."),
    schema_option,
    time_zone_option,
    map_option,
)
_ENGINE = (
    click.option(
        "--engine",
        type=click.Choice(ENGINES),
        default="polars",
        show_default=True,
        help="What computes: polars, duckdb on disk where memory is short, spark on a cluster.",
    ),
    click.option(
        "--memory-limit",
        metavar="SIZE",
        help="With --engine duckdb: the memory to use, as 1GB.",
    ),
)


def reads(verb: Callable[..., None]) -> Callable[..., None]:
    """Give a verb sources and the questions asked of them; it gets `chats`."""
    return _reads(verb, "--format", "--source-format")


def reads_anywhere(verb: Callable[..., None]) -> Callable[..., None]:
    """Do the same for a verb that works on every engine: it gets `chats` on the one asked for."""
    return _reads(verb, "--format", "--source-format", more=_ENGINE)


def reads_and_writes_files(verb: Callable[..., None]) -> Callable[..., None]:
    """Do the same for a verb in which `--format` means the files it writes."""
    return _reads(verb, "--source-format")


def _reads(
    verb: Callable[..., None],
    *format_options: str,
    more: tuple[Option, ...] = (),
) -> Callable[..., None]:
    @functools.wraps(verb)
    def read_first(  # noqa: PLR0913 - one argument per option
        *,
        sources: tuple[str, ...],
        source_format: str | None,
        user_id: str | None,
        since: datetime | None,
        until: datetime | None,
        no_text: bool,
        schema: str | None,
        time_zone: str,
        mapping: tuple[dict[str, str], ...],
        engine: str = "polars",
        memory_limit: str | None = None,
        **others: object,
    ) -> None:
        if memory_limit is not None and engine != "duckdb":
            raise click.UsageError(f"--memory-limit needs --engine duckdb, found {engine}.")
        chats = read(
            sources,
            engine=engine,
            memory_limit=memory_limit,
            format=source_format,
            user_id=user_id,
            since=since,
            until=until,
            text=not no_text,
            schema=schema,
            time_zone=time_zone,
            mapping=as_one(mapping),
        )
        verb(chats, **others)

    by_format = click.option(
        *format_options, "source_format", metavar="NAME", help="What the sources are."
    )
    options: tuple[Option, ...] = (_SOURCES, by_format, *_QUESTIONS, *more)
    asked: Callable[..., None] = read_first
    for option in reversed(options):
        asked = option(asked)
    return asked


def read(sources: tuple[str, ...], **questions: Any) -> Chats[Any]:  # noqa: ANN401 - as `scan` takes them
    """Scan the sources: files are one log, other sources stand beside it under their names."""
    from chatdata.load import scan_all

    with working("Reading"):
        return scan_all(sources, **questions)
