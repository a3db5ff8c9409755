"""The environment variable by which a process tells who owns it, even after its parents are gone.

Descendants inherit it. A process that was re-parented to init (its parent was killed with -9) is in no one's
tree any more, and is still found by it.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping

import psutil

OWNER_VARIABLE = "SG_OWNER"
"""Not ``STREAMGUARD_…``: the settings refuse variables of that prefix that they do not know."""

_SEPARATOR = ":"


def new_marker() -> str:
    return uuid.uuid4().hex


def marked(environment: Mapping[str, str], marker: str) -> dict[str, str]:
    """``environment`` with ``marker`` added; the markers of outer owners stay, so they find their grandchildren."""
    outer = environment.get(OWNER_VARIABLE)
    return {**environment, OWNER_VARIABLE: f"{outer}{_SEPARATOR}{marker}" if outer else marker}


def processes_marked(marker: str) -> list[psutil.Process]:
    """Every running process of this user that carries ``marker``; others' environments cannot be read."""
    found = []
    for process in psutil.process_iter():
        try:
            markers = process.environ().get(OWNER_VARIABLE, "")
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        # psutil reads the environment of a zombie as an error on some systems and as empty on others; both pass by.
        if marker in markers.split(_SEPARATOR):
            found.append(process)
    return found
