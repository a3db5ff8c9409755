"""The hash that names an analysis by the code that it runs through, so that results made by different definitions
are never mixed. What that costs and saves is said in ``user_features.definition_hash``.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import sys
from collections.abc import Iterator
from functools import cache

from streamguard_assets import analytics
from streamguard_assets.analytics.user_features.definition_hash import HASH_CHARACTERS, normalised_source


@cache
def definition_hash(module: str) -> str:
    """16 hexadecimal characters; equal in every process that runs the same code.

    ``module`` declares the analysis; what it imports from ``analytics``, directly or not, is hashed with it.
    """
    text = "\n".join(_normalised(name) for name in sorted(modules_behind(module)))
    return hashlib.sha256(text.encode()).hexdigest()[:HASH_CHARACTERS]


def modules_behind(module: str) -> set[str]:
    """The modules of ``analytics`` that ``module`` runs through, itself included."""
    found: set[str] = set()
    to_read = [module]
    while to_read:
        name = to_read.pop()
        if name not in found:
            found.add(name)
            to_read += _imported(name)
    return found


def _imported(module: str) -> Iterator[str]:
    # Only what is imported at the top: an import inside a function, like that of this module, makes no result.
    for node in ast.parse(_source(module)).body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{analytics.__name__}."):
            assert node.module is not None
            yield node.module


@cache
def _normalised(module: str) -> str:
    return normalised_source(_source(module))


@cache
def _source(module: str) -> str:
    return inspect.getsource(sys.modules[module])
