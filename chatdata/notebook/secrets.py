"""A look for passwords and keys in what is about to be written, by the rules of detect-secrets.

Only the rules that know a secret by its form are used, and rules of our own for keys that it does
not know or knows in older forms only; nothing is asked over a network.
"""

from __future__ import annotations

import logging
import warnings
from functools import cache
from typing import TYPE_CHECKING, Any

from chatdata.notebook.keys import detectors

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from detect_secrets.plugins.base import RegexBasedDetector

_NO_SECRETS = ("Public IP (ipv4)",)


class SecretsWarning(UserWarning):
    """What is about to be written holds what looks like a password or key."""


def secrets(text: str) -> dict[str, int]:
    """Count what looks like a secret, by kind, as in `{"AWS Access Key": 1}`; each once."""
    lines = text.splitlines()
    found = {
        rule.secret_type: len({each for line in lines for each in rule.analyze_string(line)})
        for rule in _rules()
    }
    return {kind: n for kind, n in sorted(found.items()) if n}


def warn_of_secrets(text: str, path: Path) -> None:
    """Warn, by kinds and numbers alone, of what looks like a secret in a text to be written."""
    if words := _words(secrets(text)):
        warnings.warn(f"{path}: {words}", SecretsWarning, stacklevel=3)


def warn_on_save(*, model: Mapping[str, Any], path: str, contents_manager: Any, **_: Any) -> None:  # noqa: ANN401 - Jupyter's protocol
    """Warn in JupyterLab's log when a notebook is saved; a `pre_save_hook` of Jupyter."""
    if model["type"] != "notebook":
        return
    import nbformat

    text: str = nbformat.writes(model["content"])  # type: ignore[no-untyped-call] # typed in part
    if words := _words(secrets(text)):
        contents_manager.log.warning("chatdata: %s: %s", path, words)


def _words(found: Mapping[str, int]) -> str:
    kinds = ", ".join(f"{kind} ({n})" for kind, n in found.items())
    return f"holds what looks like secrets: {kinds}; look before handing it on" if found else ""


@cache
def _rules() -> tuple[RegexBasedDetector, ...]:
    shown = warnings.showwarning
    from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
    from detect_secrets.plugins.base import RegexBasedDetector

    if warnings.showwarning is not shown:
        # Importing the library sends all warnings of the process to its log.
        logging.captureWarnings(capture=False)
    rules: dict[str, type[Any]] = {**get_mapping_from_secret_type_to_class(), **detectors()}
    return tuple(
        rule()
        for kind, rule in sorted(rules.items())
        if issubclass(rule, RegexBasedDetector) and kind not in _NO_SECRETS
    )
