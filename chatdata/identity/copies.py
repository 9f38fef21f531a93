"""Copies of messages: which one counts, whose it is, and what its parent is then."""

from __future__ import annotations

import polars as pl

BY_HISTORY = "history:"
"""How a twin begins that tells a message by what was said before it, not by its own making."""
_NUMBERED = r"~\d+$"


def owned(messages: pl.LazyFrame, rows: pl.DataFrame, conversations: pl.LazyFrame) -> pl.DataFrame:
    """Mark for each row whether it is the one that counts, and whose it is.

    Of copies the fullest counts (most output tokens, most records, most text, a time): a file may
    end in the middle of an answer that another has whole. It counts where the owner has it; of two
    exports of one conversation, where the newer one has it, which also knows what a reader saw
    last, and of two logs of one run, where the one with times has it.

    Adds `_old_id`, `_key` (the id of the message), `_owner` (the conversation that has it), `_at`
    (its place in reading order) and `_counts`; renames different messages that would share a key
    to ~2, ~3 in source order.
    """
    rows = rows.with_columns(
        _old_id=pl.col("message_id"),
        _key=pl.col("message_id"),
        _owner=pl.col("conversation_id"),
        _at=pl.col("_row"),
        _counts=pl.lit(value=True),
        _base=pl.col("message_id").str.replace(_NUMBERED, ""),
    )
    twins = pl.col("_twin").is_not_null() & pl.col("_twin").is_duplicated()
    met = rows.select(twins | pl.col("_base").is_duplicated()).to_series()
    if not met.any():
        return rows.drop("_base")
    # Most rows meet no other: only those that do are compared.
    begun = rows.filter(~met).select("conversation_id", "kind", "created_at")
    decided = _decided(_copies(messages, rows.filter(met)), begun, conversations)
    names = ("message_id", "_key", "_owner", "_at", "_counts")
    found = decided.select("_row", *(pl.col(name).alias(f"{name}_") for name in names))
    return (
        rows.drop("_base")
        .join(found, on="_row", how="left", maintain_order="left")
        .with_columns(pl.coalesce(f"{name}_", name).alias(name) for name in names)
        .drop(f"{name}_" for name in names)
    )


def _decided(rows: pl.DataFrame, alone: pl.DataFrame, conversations: pl.LazyFrame) -> pl.DataFrame:
    """Choose the owner of each copy, and the copy that counts."""
    rows = rows.join(
        conversations.select("_bundle", _version="updated_at").collect().unique("_bundle"),
        on="_bundle",
        how="left",
        maintain_order="left",
    )
    shared = pl.col("conversation_id").n_unique().over("_copy") > 1
    own = (
        pl.concat([alone, rows.filter(~shared).select(alone.columns)])
        .filter(pl.col("kind") != "event")
        .group_by("conversation_id")
        .agg(_own_start=pl.col("created_at").min())
    )
    first = {"_owner": "conversation_id", "_key": "message_id", "_at": "_row"}
    is_timed = pl.col("created_at").is_not_null()
    fullest = (
        pl.col("output_tokens").fill_null(-1),
        "_n_parts",
        pl.col("n_chars").fill_null(0),
        is_timed,
    )
    places = ("_stamped", "_own_start", "conversation_id", "_version", ~is_timed, "_row")
    return (
        rows.join(own, on="conversation_id", how="left", maintain_order="left")
        .with_columns(_version=-pl.col("_version").cast(pl.Int64).fill_null(0))
        .sort(*places, nulls_last=False)
        .with_columns(pl.col(column).first().over("_copy").alias(n) for n, column in first.items())
        .sort(*fullest, pl.col("_row") == pl.col("_at"), descending=True, maintain_order=True)
        .with_columns(_counts=pl.int_range(pl.len()).over("_copy") == 0)
    )


def _copies(messages: pl.LazyFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """Group copies under `_copy`: one key and one content, or one twin.

    Twins by their history that were written at different times are none, since a model may say the
    same twice; one whose time is not told is that of the first.
    Different messages under one key get different keys: it, `~2`, `~3` … by their first rows. What
    stands several times in one conversation as it was read, is that many messages.
    """
    repeated = pl.col("_base").is_duplicated()
    prints = (
        messages.select(
            "_row", _print=pl.concat_str("role_raw", "content", ignore_nulls=True).hash()
        )
        .join(rows.lazy().filter(repeated).select("_row"), on="_row", how="semi")
        .collect()
    )
    nth = pl.int_range(pl.len()).over("_bundle", "_base", "_print")
    made = pl.col("created_at").drop_nulls().first()
    by_history = pl.col("_twin").str.starts_with(BY_HISTORY)
    written = pl.when(by_history).then(pl.coalesce("created_at", made.over("_twin")))
    rows = (
        rows.join(prints, on="_row", how="left", maintain_order="left")
        .with_columns(_print=pl.col("_print").fill_null(0))
        .with_columns(_same=pl.concat_str("_base", "_print", nth, separator="\n"))
        .with_columns(_written=written)
        .with_columns(
            _met=pl.when(pl.col("_twin").is_null())
            .then("_same")
            .otherwise(pl.col("_same").first().over("_twin", "_written"))
        )
        .with_columns(_copy=pl.col("_met").first().over("_same"))
        .with_columns(_first=pl.col("_row").min().over("_base", "_copy"))
        .with_columns(_nth=pl.col("_first").rank("dense").over("_base"))
    )
    numbered = pl.concat_str("_base", pl.lit("~"), "_nth")
    renamed = pl.when(pl.col("_nth") > 1).then(numbered).otherwise("_base")
    return rows.with_columns(
        message_id=pl.when(repeated).then(renamed).otherwise("message_id")
    ).drop("_print", "_same", "_written", "_met", "_first", "_nth")


def found_parents(messages: pl.LazyFrame, rows: pl.DataFrame, kept: pl.DataFrame) -> pl.DataFrame:
    """Point parents at the rows that count; one that is nowhere becomes null and `_lost_parent`."""
    parent = pl.col("parent_message_id")
    # As a rule the parent is the row before, which needs no search.
    follows = (parent == pl.col("_old_id").shift()) & (
        pl.col("_bundle") == pl.col("_bundle").shift()
    )
    before = pl.when(follows).then(pl.col("_key").shift())
    kept = kept.with_columns(_before=before)
    away = kept.filter(pl.col("_before").is_null() & parent.is_not_null())
    found = _searched(messages, rows, away.select("_row", "_bundle", "parent_message_id"))
    return (
        kept.join(found, on="_row", how="left", maintain_order="left")
        .with_columns(_parent=pl.coalesce("_before", "_parent"))
        .with_columns(
            _lost_parent=pl.when(pl.col("_parent").is_null()).then(parent),
            parent_message_id="_parent",
        )
        .drop("_before", "_parent")
    )


def _searched(messages: pl.LazyFrame, rows: pl.DataFrame, away: pl.DataFrame) -> pl.DataFrame:
    """Find the parents of some rows (`_row`, `_parent`): in their file, elsewhere, by any name."""
    wanted = away.select("parent_message_id").unique()
    there = rows.select(parent_message_id="_old_id", _bundle="_bundle", _parent="_key").join(
        wanted, on="parent_message_id", how="semi", maintain_order="left"
    )
    here = there.unique(["parent_message_id", "_bundle"], keep="first", maintain_order=True)
    anywhere = (
        rows.select(parent_message_id="message_id", _elsewhere="_key")
        .join(wanted, on="parent_message_id", how="semi", maintain_order="left")
        .unique("parent_message_id", keep="first", maintain_order=True)
    )
    found = (
        away.join(here, on=["parent_message_id", "_bundle"], how="left", maintain_order="left")
        .join(anywhere, on="parent_message_id", how="left", maintain_order="left")
        .with_columns(_parent=pl.coalesce("_parent", "_elsewhere"))
    )
    if found["_parent"].has_nulls():
        named = names(messages, rows).select(parent_message_id="_name", _named="_key")
        found = found.join(
            named, on="parent_message_id", how="left", maintain_order="left"
        ).with_columns(_parent=pl.coalesce("_parent", "_named"))
    return found.select("_row", "_parent")


def names(messages: pl.LazyFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """List every name a message goes by (`_name`), with the row that counts and its owner."""
    others = (
        messages.select("_row", _name="_aliases")
        .filter(pl.col("_name").list.len() > 0)
        .explode("_name")
        .collect()
        .join(rows.select("_row", "_key", "_owner"), on="_row", maintain_order="left")
        .drop("_row")
    )
    own = rows.select("_key", "_owner", _name="_old_id").select(others.columns)
    return pl.concat([own, others]).unique("_name", keep="first", maintain_order=True)


def joined(kept: pl.DataFrame) -> pl.DataFrame:
    """Let the roots of a conversation's later parts follow the last row of the part before."""
    first = pl.col("_bundle").first().over("conversation_id")
    later = (pl.col("_bundle") != first) & pl.col("_follows").first().over("_bundle")
    if not kept.select(later.any()).item():
        return kept
    begins = pl.col("_bundle") != pl.col("_bundle").shift(1).over("conversation_id")
    before = (
        (pl.when(begins).then(pl.col("message_id").shift(1).over("conversation_id")))
        .forward_fill()
        .over("conversation_id")
    )
    root = later & pl.col("parent_message_id").is_null() & pl.col("_lost_parent").is_null()
    return kept.with_columns(
        parent_message_id=pl.when(root).then(before).otherwise("parent_message_id")
    )
