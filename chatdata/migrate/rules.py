"""Rules for revisions: what has cost somebody rows or an outage, found before it is applied.

A finding is silenced by a comment on its line or the one above, which gives the reason:
`# chatdata: allow=index-not-concurrent reason=the table is empty`.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from chatdata.errors import MigrationError

if TYPE_CHECKING:
    from collections.abc import Iterator

RULES = {
    "bare-batch": "batch mode drops triggers and expression indexes; use op.safe_batch",
    "index-not-concurrent": "building this index stops writers; use op.add_index",
    "validate-together": "NOT VALID and VALIDATE in one transaction stop writers; use op.add_check",
    "type-change": "changing a type rewrites the table; add a column and backfill it",
    "timestamptz-without-utc": "stored times would be shifted; use op.naive_to_utc",
    "drop-outside-contract": "dropping a column breaks what still reads it; phase must be contract",
    "native-enum": "an enum type cannot be changed later; use text with op.add_check",
    "foreign-import": "a revision is frozen history; import only alembic and sqlalchemy",
    "unnamed-constraint": "a constraint without a name cannot be dropped again; name it",
    "data-change": "rows are moved by a backfill, in batches; phase must be backfill",
    "missing-downgrade": "write the downgrade, and say in `loses` what it loses",
    "not-null-column": "rows that are there have no value; give server_default, or backfill first",
    "rename": "a new name breaks what uses the old one; add, backfill, drop in a contract",
    "not-alone": "an operation that commits must stand alone in its revision",
}
ALLOWED = ("alembic", "sqlalchemy", "__future__")
COMMITTING = ("add_index", "add_check", "add_fk", "set_not_null")
CONSTRAINTS = ("ForeignKeyConstraint", "UniqueConstraint", "CheckConstraint")
_ALLOW = re.compile(r"#\s*chatdata:\s*allow=([\w-]+)\s+reason=\S")
_STATEMENTS = {
    "data-change": r"\s*(WITH\b.*)?\b(INSERT|UPDATE|DELETE|MERGE|TRUNCATE)\s",
    "drop-outside-contract": r".*\bDROP\s+COLUMN\b",
    "index-not-concurrent": r"\s*CREATE\s+(UNIQUE\s+)?INDEX\s+(?!CONCURRENTLY\b)",
    "native-enum": r"\s*CREATE\s+TYPE\b.*\bENUM\b",
    "not-null-column": (
        r"\s*ALTER\s+TABLE\b.*\bADD\s+(?!CONSTRAINT\b|CHECK\b)(?!.*\bDEFAULT\b).*\bNOT\s+NULL\b"
    ),
    "rename": r"\s*ALTER\s+TABLE\b.*\bRENAME\s+(?!CONSTRAINT\b)",
    "unnamed-constraint": r".*\bADD\s+(CHECK|FOREIGN|PRIMARY|UNIQUE)\b",
}
"""How a statement begins that breaks a rule, where an operation of Alembic's could break it too."""
_ON = re.compile(r"\bON\s+(?:ONLY\s+)?\"?(\w+)", re.IGNORECASE)
_PHASES = {"data-change": "backfill", "drop-outside-contract": "contract"}
"""In which phase it is what a revision is there for."""


@dataclass(frozen=True)
class Finding:
    """One line of a revision that breaks a rule."""

    file: str
    line: int
    rule: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.rule}: {RULES[self.rule]}"


def lint(*paths: str | Path) -> list[Finding]:
    """Check revision files, or all files of a folder, and give what was found in order."""
    files = [
        file
        for path in map(Path, paths)
        for file in (sorted(path.glob("*.py")) if path.is_dir() else [path])
    ]
    return [found for file in files for found in _file(file)]


def _file(file: Path) -> list[Finding]:
    try:
        text = file.read_text(encoding="utf-8")
        tree = ast.parse(text)
    except (SyntaxError, ValueError) as error:
        raise MigrationError(
            f"is no Python ({type(error).__name__}); expected a revision",
            then="repair it, or name others: chatdata db lint PATH",
            source=str(file),
            exit_code=2,
        ) from None
    lines = text.splitlines()
    found = {(line, rule) for line, rule in _findings(tree)}
    return [
        Finding(file.name, line, rule)
        for line, rule in sorted(found)
        if rule not in _ALLOW.findall("".join(lines[max(line - 2, 0) : line]))
    ]


def _findings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    yield from _imports(tree)
    upgrade = functions.get("upgrade")
    if upgrade is None:
        return
    phase = _constant(tree, "phase") or "expand"
    calls = [node for node in ast.walk(upgrade) if isinstance(node, ast.Call)]
    for call in calls:
        yield from ((call.lineno, rule) for rule in _call(call, calls, phase))
    operations = [call for call in calls if _is_op(call)]
    committing = [call for call in operations if _name(call) in COMMITTING]
    if committing and len(operations) > 1:
        yield committing[0].lineno, "not-alone"
    downgrade = functions.get("downgrade")
    undone = downgrade and any(isinstance(node, ast.Call) for node in ast.walk(downgrade))
    if operations and not undone:
        yield (downgrade or upgrade).lineno, "missing-downgrade"


def _imports(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        else:
            continue
        if any(name.split(".")[0] not in ALLOWED for name in names):
            yield node.lineno, "foreign-import"


def _call(call: ast.Call, calls: list[ast.Call], phase: str) -> Iterator[str]:
    broken = {*_operation(call, calls)}
    if _name(call) == "execute":
        broken |= {*_executed(call, calls)}
    yield from (rule for rule in broken if _PHASES.get(rule) != phase)


def _operation(call: ast.Call, calls: list[ast.Call]) -> Iterator[str]:
    """Name the rules that an operation breaks, whatever its phase."""
    name, words = _name(call), {word.arg for word in call.keywords}
    if name == "batch_alter_table":
        yield "bare-batch"
    if name == "create_index" and _table(call, 1) not in _created(calls):
        yield "index-not-concurrent"
    if name == "alter_column" and "type_" in words:
        timezone = "timezone=True" in ast.unparse(call)
        yield "timestamptz-without-utc" if timezone else "type-change"
    if name == "drop_column":
        yield "drop-outside-contract"
    if name == "Enum" and "native_enum=False" not in ast.unparse(call):
        yield "native-enum"
    if name in CONSTRAINTS and "name" not in words:
        yield "unnamed-constraint"
    if name == "bulk_insert":
        yield "data-change"
    if name == "rename_table" or (name == "alter_column" and "new_column_name" in words):
        yield "rename"
    if name == "add_column" and _table(call, 0) not in _created(calls):
        yield from ("not-null-column" for column in ast.walk(call) if _is_bare(column))


def _executed(call: ast.Call, calls: list[ast.Call]) -> Iterator[str]:
    """Name the rules that SQL breaks, whatever its phase."""
    sql = _sql(call).upper()
    inside = (node for node in ast.walk(call) if isinstance(node, ast.Call))
    if any(_name(each) in ("insert", "update", "delete") for each in inside):
        yield "data-change"
    if "NOT VALID" in sql and any("VALIDATE" in _sql(each).upper() for each in calls):
        yield "validate-together"
    for statement in sql.split(";"):
        if " TYPE " in statement and not statement.strip().startswith("CREATE"):
            yield "timestamptz-without-utc" if "TIMESTAMPTZ" in statement else "type-change"
        found = _ON.search(statement)
        fresh = found and found[1].lower() in _created(calls)
        for rule, pattern in _STATEMENTS.items():
            is_fresh = fresh and rule == "index-not-concurrent"
            if re.match(pattern, statement, re.DOTALL) and not is_fresh:
                yield rule


def _is_bare(node: ast.AST) -> bool:
    """Whether it is a column that may not be null and has no value for rows that are there."""
    if not isinstance(node, ast.Call) or _name(node) != "Column":
        return False
    words = {word.arg: word.value for word in node.keywords}
    nullable = words.get("nullable")
    forbids = isinstance(nullable, ast.Constant) and nullable.value is False
    return forbids and not {"server_default", "primary_key"} & {*words}


def _name(call: ast.Call) -> str:
    node = call.func
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _is_op(call: ast.Call) -> bool:
    node = call.func
    is_op = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    return is_op and node.value.id == "op" and _name(call) not in ("f", "get_context", "get_bind")  # type: ignore[attr-defined]  # checked above


def _sql(call: ast.Call) -> str:
    texts = (node.value for node in ast.walk(call) if isinstance(node, ast.Constant))
    return " ".join(text for text in texts if isinstance(text, str))


def _table(call: ast.Call, place: int) -> str | None:
    node = call.args[place] if len(call.args) > place else None
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _created(calls: list[ast.Call]) -> set[str | None]:
    return {_table(call, 0) for call in calls if _name(call) == "create_table"}


def _constant(tree: ast.Module, name: str) -> str | None:
    values = (
        str(node.value.value)
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Constant)
        and any(getattr(target, "id", None) == name for target in node.targets)
    )
    return next(values, None)
