"""Pictures in materialization metadata, where people would rather look than read."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from typing import TYPE_CHECKING

from dagster import MetadataValue

from streamguard_assets.analytics.window_summary import events_per_minute, score_histogram
from streamguard_assets.windows.stream import Stream

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH_INCHES, HEIGHT_INCHES, DPI = 6.4, 2.4, 80
NORMAL_COLOUR, ANOMALOUS_COLOUR = "#4f7cac", "#c0392b"


def events_per_minute_plot(stream: Stream, window: str) -> MetadataValue:
    """Events per minute of event time in one window, as a picture inside Markdown."""
    events = stream.table("events").scan([window]).select(stream.contract.time_column).collect()
    counts = events_per_minute(events, stream.contract.time_column)

    def draw(axes: Axes) -> None:
        axes.fill_between(counts["minute"].to_list(), counts["events"].to_list(), color=NORMAL_COLOUR, step="post")
        axes.set_ylabel("events per minute")
        axes.set_ylim(bottom=0)

    return _picture(f"events of {stream.name}, window {window}", draw)


def score_distribution_plot(stream: Stream, window: str) -> MetadataValue:
    """How the scores of one window's users are spread, with the threshold, as a picture inside Markdown."""
    scores = stream.table("anomaly_scores").scan([window]).select("anomaly_score", "threshold").collect()
    bins = score_histogram(scores)
    thresholds = [float(value) for value in scores["threshold"].drop_nulls().head(1)]

    def draw(axes: Axes) -> None:
        width = (bins["score_to"] - bins["score_from"]).to_list()
        colours = [
            ANOMALOUS_COLOUR if any(lower >= threshold for threshold in thresholds) else NORMAL_COLOUR
            for lower in bins["score_from"].to_list()
        ]
        axes.bar(bins["score_from"].to_list(), bins["users"].to_list(), width=width, align="edge", color=colours)
        for threshold in thresholds:
            axes.axvline(threshold, color="black", linewidth=1, linestyle="--")
        axes.set_xlabel("anomaly score (0–1, higher is odder)")
        axes.set_ylabel("users")

    return _picture(f"anomaly scores of {stream.name}, window {window}", draw)


def _picture(title: str, draw: Callable[[Axes], None]) -> MetadataValue:
    from matplotlib.figure import Figure  # slow to import, and a code location that only plans draws nothing

    # Figure alone, without pyplot: pyplot keeps every figure alive in a global list and runs are long.
    figure = Figure(figsize=(WIDTH_INCHES, HEIGHT_INCHES), dpi=DPI, layout="constrained")
    axes = figure.add_subplot()
    draw(axes)
    axes.set_title(title, fontsize=9)
    axes.tick_params(labelsize=7)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    encoded = base64.b64encode(buffer.getvalue()).decode()
    return MetadataValue.md(f"![{title}](data:image/png;base64,{encoded})")
