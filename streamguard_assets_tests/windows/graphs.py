"""The graph of the security stream, as its tests name it."""

from __future__ import annotations

from streamguard_assets.contracts.security import SECURITY
from streamguard_assets.windows.checks import checks_of
from streamguard_assets.windows.graph import derived_assets, stream_graph
from streamguard_assets.windows.inputs import window_graph

GRAPH = stream_graph(SECURITY)
STREAM_GRAPH = window_graph(GRAPH)
DERIVED_ASSETS = derived_assets(GRAPH)
CHECKS = checks_of(GRAPH)
