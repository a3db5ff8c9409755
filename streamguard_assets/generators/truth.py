"""The truth file beside generated security events: who attacked, and how, for whoever wants to check a detection."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SUFFIX = ".truth.json"


def truth_file_of(data: Path) -> Path:
    """Where the truth of a data file is.

    >>> truth_file_of(Path("events/day.ndjson")).as_posix()
    'events/day.ndjson.truth.json'
    """
    return data.with_name(data.name + SUFFIX)


def write_truth(path: Path, attackers: Mapping[str, str], facts: Mapping[str, Any]) -> None:
    """Write ``attackers`` (account → kind of attack), and what the events were made of, as one JSON object.

    A reader sees the old file or the new one, never a part.
    """
    text = json.dumps({**facts, "attackers": dict(sorted(attackers.items()))}, indent=2, ensure_ascii=False)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(text + "\n", encoding="utf-8")
    draft.replace(path)
