"""How an import was told to read a source; the next one does so again, unless told otherwise."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chatdata.load.scope import Scope


@dataclass(frozen=True)
class Asked:
    """What was said of a source beside where it lies, in the words of `scan`; None was not said."""

    format: str | None = None
    mapping: Mapping[str, str] | None = None
    schema: str | None = None
    time_zone: str | None = None

    def over(self, before: Asked) -> Asked:
        """Add what was said before and is not said again; a new format or mapping ends both."""
        own = {name: value for name, value in vars(self).items() if value}
        if own.keys() & {"format", "mapping"}:
            before = replace(before, format=None, mapping=None)
        return replace(before, **own)

    def of(self, scope: Scope) -> Scope:
        """Give what is wanted of a source that is to be understood so."""
        zone = self.time_zone or "UTC"
        return replace(scope, mapping=self.mapping, schema=self.schema, time_zone=zone)

    def __str__(self) -> str:
        said = {name: value for name, value in asdict(self).items() if value}
        return json.dumps(said, sort_keys=True)

    @classmethod
    def read(cls, text: str) -> Asked:
        """Read what `str` wrote."""
        return cls(**json.loads(text))
