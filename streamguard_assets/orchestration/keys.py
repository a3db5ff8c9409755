"""Asset keys: the stream, then the asset's name, a part for each of its folders."""

from __future__ import annotations

from dagster import AssetKey


def asset_key(stream: str, asset: str) -> AssetKey:
    """The key of a stream's asset: ``transactions/analyses/hourly_trends`` of ``analyses/hourly_trends``."""
    return AssetKey([stream, *asset.split("/")])


def asset_name(key: AssetKey, stream: str) -> str | None:
    """The name of the stream's asset behind ``key``; None for an asset of somebody else."""
    first, *rest = key.path
    return "/".join(rest) if first == stream and rest else None
