"""Prompt history records whose texts stand in the front matter."""

from __future__ import annotations

import chatdata as cd

RECORD = """---
id: 0012
stage: general
surface: agent
prompt_text: |
  Do this:

  - one
    - two
response_text: >-
  It is
  done.

  Both.
files:
  - a.py
---
"""


def test_texts_of_several_lines(tmp_path):
    """
    A block keeps its lines, bullets and indentation; a folded one joins its lines.
    """
    path = tmp_path / "record.prompt.md"
    path.write_text(RECORD)
    messages = cd.scan(path).messages.sort("position").collect()

    assert ["Do this:\n\n- one\n  - two", "It is done.\n\nBoth."] == messages["content"].to_list()
    assert ["user", "assistant"] == messages["role"].to_list()
