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
    "not-alone": "an operation that commits must stand alone in its revision",
}
ALLOWED = ("alembic", "sqlalchemy", "__future__")
COMMITTING = ("add_index", "add_check", "add_fk", "set_not_null")
CONSTRAINTS = ("ForeignKeyConstraint", "UniqueConstraint", "CheckConstraint")
_ALLOW = re.compile(r"#\s*chatdata:\s*allow=([\w-]+)\s+reason=\S")
_DATA = re.compile(r"\s*(INSERT|UPDATE|DELETE|MERGE|TRUNCATE)\b", re.IGNORECASE)


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
    name, words = _name(call), {word.arg for word in call.keywords}
    sql = _sql(call) if name == "execute" else ""
    if name == "batch_alter_table":
        yield "bare-batch"
    if name == "create_index" and _table(call, 1) not in _created(calls):
        yield "index-not-concurrent"
    if "NOT VALID" in sql.upper() and any("VALIDATE" in _sql(c).upper() for c in calls):
        yield "validate-together"
    if (name == "alter_column" and "type_" in words) or " TYPE " in sql.upper():
        timezone = "timezone=True" in ast.unparse(call) or "TIMESTAMPTZ" in sql.upper()
        yield "timestamptz-without-utc" if timezone else "type-change"
    if name == "drop_column" and phase != "contract":
        yield "drop-outside-contract"
    if name == "Enum" and "native_enum=False" not in ast.unparse(call):
        yield "native-enum"
    if name in CONSTRAINTS and "name" not in words:
        yield "unnamed-constraint"
    if (_DATA.match(sql) or name == "bulk_insert") and phase != "backfill":
        yield "data-change"


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
