"""The public names: a list, held to what is there."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

import chatdata

PUBLIC = [
    "AccessError",
    "ChatdataError",
    "Chats",
    "EngineError",
    "FormatError",
    "LayoutError",
    "MigrationError",
    "QueryError",
    "SchemaError",
    "SourceError",
    "UnknownFormatError",
    "analysis",
    "compact",
    "concat",
    "formats",
    "sample",
    "scan",
    "write",
]


def test_names_are_these():
    """
    A public name comes or goes on purpose only.
    """
    assert PUBLIC == chatdata.__all__
    assert sorted([*PUBLIC, "__version__"]) == dir(chatdata)


@pytest.mark.parametrize("name", PUBLIC)
def test_every_name_is_there_and_explained(name):
    """
    What is promised can be imported, and says what it is.
    """
    assert getattr(chatdata, name).__doc__


def test_checkers_see_the_same_names():
    """
    What type checkers are told to import is what users get.
    """
    tree = ast.parse(Path(chatdata.__file__).read_text(encoding="utf-8"))
    told = [
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module.startswith("chatdata")
        for alias in node.names
    ]

    assert sorted(told) == PUBLIC


@pytest.mark.parametrize("name", ["sample", "formats"])
def test_functions_win_over_their_modules(name):
    """
    `chatdata.sample` is the function, also once something has imported the module of that name.
    """
    getattr(chatdata, name)
    importlib.import_module(f"chatdata.{name}")

    assert callable(getattr(chatdata, name))


def test_unknown_names_are_unknown():
    """
    A slip of the pen gets the error that Python always gives.
    """
    with pytest.raises(AttributeError, match="module 'chatdata' has no attribute 'scna'"):
        chatdata.scna  # noqa: B018


def test_analyses_are_named():
    """
    Every public analysis is listed by its package and takes `chats` first.
    """
    for name in chatdata.analysis.__all__:
        function = getattr(chatdata.analysis, name)

        assert "chats" == next(iter(function.__annotations__))
