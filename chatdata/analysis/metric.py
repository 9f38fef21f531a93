"""What describes a metric: its id, version, unit, definition, null rule and place."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """One number: what it is called, counted in, made of and found under."""

    id: str
    version: int
    unit: str
    definition: str
    null: str
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Topic:
    """Metrics that belong together, with what is true of all of them."""

    title: str
    preface: str
    metrics: tuple[Metric, ...]
