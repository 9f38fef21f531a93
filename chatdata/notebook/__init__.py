"""Notebooks: charts, tables, `%%sql`, and the notebooks themselves as files.

```python
import chatdata as cd
from chatdata import notebook as nb

chats = nb.read("sample")
nb.setup(chats)
nb.charts.calls_by_tool(cd.analysis.tool_usage(chats))
```
"""

from __future__ import annotations

from chatdata.notebook import charts
from chatdata.notebook.chart import Chart
from chatdata.notebook.runs import execute, export, refresh
from chatdata.notebook.session import read, setup
from chatdata.notebook.table import Table, known, table

__all__ = [
    "Chart",
    "Table",
    "charts",
    "execute",
    "export",
    "known",
    "read",
    "refresh",
    "setup",
    "table",
]
