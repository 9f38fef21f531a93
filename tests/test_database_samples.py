"""The sample databases: twelve layouts that nobody here wrote, and what is true of each."""

from __future__ import annotations

import json

import polars as pl
import pytest

from chatdata.database import read

NAMES = (
    "cohere_double_encoded_json",
    "json_dict_calls_tool_args_expiring",
    "json_list_tool_args_empty_list",
    "json_list_tool_status_names_only_results_column",
    "json_list_toolname_arguments_result_systemrole",
    "no_tool_columns_int_ids",
    "original_app_text_tool_parameters_result",
    "python_repr_text_with_type_and_sequence",
    "singular_text_name_arguments",
    "soft_delete_uuid_conversation_int_message",
    "toolcall_table_status_sequence",
    "uuidhex_enumname_text_tool_arguments_result",
)


def counted(chats):
    """
    The figures of `truth.json`, from the frames.
    """
    frames = {name: frame.collect() for name, frame in chats.frames.items()}
    conversations, messages = frames["conversations"], frames["messages"]
    calls = frames["tool_calls"]
    moments = messages.select(
        pl.col("created_at").min().alias("first"), pl.col("created_at").max().alias("last")
    ).select(pl.all().dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ"))
    deleted = pl.col("extra").str.json_path_match("$.deleted_at").is_not_null()
    return {
        "conversations": conversations.height,
        "conversations_without_messages": conversations.join(
            messages, on="conversation_id", how="anti"
        ).height,
        "messages": messages.height,
        "messages_by_role": dict(messages.group_by("role").len().rows()),
        "messages_with_calls": calls["message_id"].n_unique(),
        "tool_calls": calls.height,
        "calls_by_tool": dict(calls.group_by("name").len().rows()),
        "calls_with_arguments": calls["arguments"].count(),
        "calls_with_result": calls["result"].count(),
        "calls_failed_known": calls.filter(pl.col("status") == "error").height,
        "users": conversations["user_id"].n_unique(),
        "first_message_utc": moments["first"].item(),
        "last_message_utc": moments["last"].item(),
        "deleted_conversations": conversations.filter(deleted).height,
        "deleted_messages": messages.filter(deleted).height,
    }


@pytest.fixture(scope="module")
def truth(samples):
    return json.loads((samples / "app-databases" / "truth.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", NAMES)
def test_every_figure_of_the_truth(samples, truth, name):
    """
    Every figure comes out right with no settings, and the frames follow the contract.
    """
    expected = {
        "deleted_conversations": 0,
        "deleted_messages": 0,
        **{key: value for key, value in truth[name].items() if key not in ("modelled_on", "notes")},
    }
    chats = read(samples / "app-databases" / f"{name}.sqlite").check()

    assert expected == counted(chats)


@pytest.mark.parametrize("name", NAMES)
def test_every_row_is_accounted_for(samples, truth, name):
    """
    The records of the accounting are the rows of the tables.
    """
    calls_table = truth[name]["tool_calls"] if name.startswith("toolcall_table") else 0
    expected = truth[name]["conversations"] + truth[name]["messages"] + calls_table
    chats = read(samples / "app-databases" / f"{name}.sqlite")

    assert expected == chats.accounting.collect()["n_records"].sum()


def test_the_list_is_complete(truth):
    """
    No sample database is left out.
    """
    assert sorted(truth) == list(NAMES)
