"""From any readable application layout into a database at head."""

from chatdata.migrate.copying.run import Copied, copy

__all__ = ["Copied", "copy"]
