"""Keys of model providers and their neighbours that detect-secrets does not know by their form."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from detect_secrets.plugins.base import RegexBasedDetector

# Each begins with a mark of its provider's own and ends in chance; groups would cut what is found.
_WORD = "[A-Za-z0-9_-]"
# Notebooks hold text as JSON, where a new line before a key ends in a letter.
_BEFORE = r"(?:(?<![A-Za-z0-9])|(?<=\\[nrt]))"
_FORMS = {
    "Anthropic Key": rf"sk-ant-{_WORD}{{20,}}",
    "Databricks Token": r"dapi[0-9a-f]{32}(?![0-9a-f])",
    "DigitalOcean Token": r"do[opr]_v1_[0-9a-f]{64}",
    "GitHub Token": r"(?:gh[oprsu]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59})",
    "Google API Key": rf"AIza{_WORD}{{35}}(?!{_WORD})",
    "Google OAuth Secret": rf"GOCSPX-{_WORD}{{28}}",
    "Groq Key": r"gsk_[A-Za-z0-9]{40,}",
    "Hugging Face Token": r"(?:hf|api_org)_[A-Za-z0-9]{30,}",
    "Langfuse Key": r"sk-lf-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "LangSmith Key": r"lsv2_(?:pt|sk)_[0-9a-f]{32}_[0-9a-f]{10}",
    "Linear Key": r"lin_api_[A-Za-z0-9]{40}",
    "Notion Token": r"ntn_[A-Za-z0-9]{40,}",
    "OpenAI Token": (
        rf"sk-(?:(?:proj|svcacct|admin)-{_WORD}{{20,}}|{_WORD}{{20,}}T3BlbkFJ{_WORD}{{20,}})"
    ),
    "OpenRouter Key": r"sk-or-v1-[0-9a-f]{64}",
    "Perplexity Key": r"pplx-[A-Za-z0-9]{40,}",
    "Replicate Token": r"r8_[A-Za-z0-9]{37}",
    "Supabase Token": r"sbp_[0-9a-f]{40}",
    "Tavily Key": rf"tvly-{_WORD}{{28,}}",
    "xAI Key": r"xai-[A-Za-z0-9]{60,}",
}


def detectors() -> dict[str, type[RegexBasedDetector]]:
    """Make detectors of these keys, by kind, for detect-secrets."""
    from detect_secrets.plugins.base import RegexBasedDetector

    return {
        kind: type(
            kind.replace(" ", ""),
            (RegexBasedDetector,),
            {"secret_type": kind, "denylist": (re.compile(_BEFORE + form),)},
        )
        for kind, form in _FORMS.items()
    }
