"""In which state the databases of a fleet are."""

from __future__ import annotations

import altair as alt
import polars as pl

from chatdata.notebook.chart import BLUE, ROW, WIDTH, Chart, finished, listed, nothing


def fleet(status: pl.DataFrame) -> Chart:
    """Draw `chatdata.migrate.status` as one bar per state."""
    title = "Databases by state"
    if status.is_empty():
        return nothing(title, "There are no databases")
    counts = status.group_by("state").agg(n_databases=pl.len()).sort("n_databases", "state")
    base = alt.Chart(counts).encode(
        alt.Y("state:N", title=None, sort=counts["state"].to_list()[::-1]),
        # The number stands at each bar, and an axis would also count halves of a database.
        alt.X("n_databases:Q", axis=None),
    )
    numbers = base.mark_text(align="left", dx=4).encode(alt.Text("n_databases:Q", format=","))
    return finished(
        (base.mark_bar(color=BLUE) + numbers).properties(width=WIDTH, height=ROW * len(counts)),
        title,
        f"n = {status.height:,} databases",
        text=listed(counts.select("state", "n_databases")),
    )
