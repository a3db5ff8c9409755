"""The asset ``<stream>/summary``: an ordinary asset over the window IO manager, as people write their own."""

# No `from __future__ import annotations` here: Dagster reads the annotations of these functions, and refuses texts.

import polars as pl
from dagster import AssetIn, AssetsDefinition

from streamguard_assets.orchestration.assets.describing import AssetStyle
from streamguard_assets.windows.summary import summarise

IO_MANAGER_KEY = "window_io_manager"


def summary_asset(style: AssetStyle) -> AssetsDefinition:
    """The summary of one stream's windows."""

    @style.asset(
        "summary",
        ins={
            "scores": AssetIn(key=style.key("anomaly_scores"), input_manager_key=IO_MANAGER_KEY),
            "features": AssetIn(key=style.key("user_features"), input_manager_key=IO_MANAGER_KEY),
        },
        io_manager_key=IO_MANAGER_KEY,
    )
    def summary(scores: pl.LazyFrame, features: pl.LazyFrame) -> pl.DataFrame:
        return summarise(scores.collect(), features.collect())

    return summary
