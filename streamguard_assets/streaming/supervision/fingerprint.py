"""Which code and settings a running stream was started with, so that it can be told to start anew on newer ones."""

from __future__ import annotations

import json
from functools import cache
from hashlib import blake2b
from pathlib import Path

import streamguard_assets
from streamguard_assets.settings import Settings

_SECTIONS = {"kafka", "lake", "ingest", "streaming"}


def code_fingerprint(settings: Settings, stream: str) -> str:
    """A short hash of the package's source and of the settings that the stream reads.

    The source is hashed once per process: what was imported does not change under it. Secrets count as set or not
    set; a changed one does not show.
    """
    told = settings.model_dump(mode="json", include=_SECTIONS)
    told["stream"] = settings.stream(stream).model_dump(mode="json")
    text = json.dumps([_source_hash(), told], sort_keys=True, default=str)
    return blake2b(text.encode(), digest_size=8).hexdigest()


@cache
def _source_hash() -> str:
    package = Path(streamguard_assets.__file__).parent
    digest = blake2b(digest_size=16)
    for file in sorted(package.rglob("*.py")):
        digest.update(file.relative_to(package).as_posix().encode() + b"\0")
        digest.update(file.read_bytes())
    return digest.hexdigest()
