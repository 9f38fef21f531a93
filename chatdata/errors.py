"""Every exception chatdata raises on purpose.

```
ChatdataError
├── SourceError            a source cannot be opened or read
│   ├── FormatError        a file breaks the format it claims
│   │   └── UnknownFormatError   no known format fits
│   ├── LayoutError        a database holds no chat tables we can recognise
│   └── AccessError        a password, a lock, encryption or row-level security is in the way
├── EngineError            an engine cannot be started, or not do what was asked of it
├── SchemaError            frames break the contract of `schema.py`
├── QueryError             a query is wrong, or what a log holds does not fit it
└── MigrationError         a schema could not be changed, or must not be
```

A message says where, what was found, what was expected and what to do next. It never holds the
text of a message, a password or a URL with one. What a caller may want to act on is an attribute.
"""

from __future__ import annotations


class ChatdataError(Exception):
    """Base of every error that chatdata raises on purpose.

    Attributes:
        source: the file, database or frame the error is about, without credentials.
        line: 1-based line or record in it, where there is one.
    """

    def __init__(self, message: str, *, source: str | None = None, line: int | None = None) -> None:
        self.message = message
        self.source = source
        self.line = line
        place = "" if source is None else f"{source}: " if line is None else f"{source}:{line}: "
        super().__init__(f"{place}{message}")

    def _render_traceback_(self) -> list[str]:
        """Show one line in a notebook, by IPython's protocol: where we raised helps nobody."""
        return [f"{type(self).__name__}: {self}"]


class SourceError(ChatdataError):
    """A source does not exist or cannot be read; the message says what to try."""


class FormatError(SourceError):
    """A file breaks the rules of the format it was read as."""


class UnknownFormatError(FormatError):
    """No known format fits a file, or several fit equally well."""


class LayoutError(SourceError):
    """A database was opened, but no tables in it look like chats.

    Attributes:
        tables: the names of the tables that were found.
    """

    def __init__(self, message: str, *, source: str, tables: tuple[str, ...] = ()) -> None:
        self.tables = tables
        super().__init__(message, source=source)


class AccessError(SourceError):
    """A database exists but does not let us read all of it: password, lock, encryption, policy."""


class EngineError(ChatdataError):
    """Polars, DuckDB or Spark cannot be started, or cannot do this; the message says what can."""


class SchemaError(ChatdataError):
    """Frames that do not follow the contract in `schema.py`.

    Attributes:
        violations: one sentence for each broken rule.
    """

    def __init__(self, violations: tuple[str, ...], *, source: str | None = None) -> None:
        self.violations = violations
        super().__init__("; ".join(violations), source=source)


class QueryError(ChatdataError):
    """A query is wrong, or a value that the log holds does not fit what it asks."""


class MigrationError(ChatdataError):
    """A change of a schema or of its rows was refused or failed.

    Attributes:
        state: what the database is like now.
        then: what to do next, with the command to run.
        exit_code: what `chatdata db` verbs exit with: 1 failed, 2 usage, 3 refused or drift,
            4 lock busy, 5 verification failed.
    """

    def __init__(
        self,
        message: str,
        *,
        then: str,
        state: str = "nothing was changed",
        source: str | None = None,
        exit_code: int = 1,
    ) -> None:
        self.state = state
        self.then = then
        self.exit_code = exit_code
        super().__init__(f"{message}; {state}; {then}", source=source)
        self.message = message
