"""The hash that names a set of feature definitions, so that rows made by different ones are never mixed.

It is taken over the code of the definition modules as Python parses it, without comments, docstrings and layout,
and over the known event types. Nobody has to remember to raise a version: a changed formula changes the hash by
itself. The price is that a refactoring, or a reworded description, changes it too and costs one refit; the
opposite mistake, new values under an old hash, would corrupt models silently.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
from collections.abc import Sequence
from functools import cache

from streamguard_assets.analytics import instants, order_free
from streamguard_assets.analytics.user_features import (
    address,
    behaviour,
    extraction,
    feature,
    registry,
    rows,
    sequence,
    temporal,
    threat,
)

DEFINITION_MODULES = (
    instants, order_free, feature, rows, behaviour, temporal, address, sequence, threat, registry, extraction,
)  # fmt: skip

HASH_CHARACTERS = 16


def feature_hash(known_event_types: Sequence[str]) -> str:
    """16 hexadecimal characters; equal in every process that runs the same definitions.

    The order of ``known_event_types`` counts: it is the order of the columns.
    """
    text = "\n".join([_definitions(), *known_event_types])
    return hashlib.sha256(text.encode()).hexdigest()[:HASH_CHARACTERS]


@cache
def _definitions() -> str:
    return "\n".join(normalised_source(inspect.getsource(module)) for module in DEFINITION_MODULES)


def normalised_source(source: str) -> str:
    """Python code without what cannot change a value: comments, layout, and texts that stand alone (docstrings)."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [each for each in body if not _is_text(each)]  # pyright: ignore[reportAttributeAccessIssue]
    return ast.dump(tree)


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
