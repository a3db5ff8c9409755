"""Training data for readers outside the lake: Parquet folders on the local disk, switched as a whole.

::

    <name>/                          a link to the newest version
        _SUCCESS
        anomaly_report.json
        is_anomaly=0/part-….parquet  normal users
        is_anomaly=1/part-….parquet  anomalous users
    <name>.parquet                   a link to all of them in one file

Every file holds the column ``is_anomaly`` (int32), so a file, one folder, Polars, DuckDB and Spark all see it. Only
``pandas.read_parquet`` of the *whole* folder cannot work, with any layout: pyarrow takes the report for a Parquet
file, and refuses a column that is in the files and in the folder names. ``<name>.parquet`` is there for that reader.
"""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
from filelock import FileLock

from streamguard_assets.contracts.windows import window_start

LABEL = "is_anomaly"
LATEST = "latest"
KEPT_VERSIONS = 2
"""The one that the links name, and the one before it for readers that followed the links before the switch."""

ABANDONED_AFTER_NS = 24 * 3600 * 10**9
"""A draft this much older than the newest version has no writer any more."""

_VERSIONS = ".versions"
_DRAFT = "draft-"


def export_training_data(root: Path, window: str, frame: pl.DataFrame, report: Mapping[str, Any]) -> Path:
    """Replace the training data of ``window`` under ``root`` and return its folder ``<root>/<window>``.

    ``latest`` (and ``latest.parquet``) name the newest window that was ever exported. See ``write_training_data``
    for the frame and the errors.
    """
    window_start(window)  # a name that is no window key must not become a path
    folder = write_training_data(root / window, frame, report)
    with FileLock(root / _VERSIONS / "lock"):
        latest = root / LATEST
        if not latest.is_symlink() or latest.readlink().name <= window:
            _point(latest, Path(window))
            _point(root / f"{LATEST}.parquet", Path(f"{window}.parquet"))
    return folder


def write_training_data(directory: Path, frame: pl.DataFrame, report: Mapping[str, Any]) -> Path:
    """Replace ``directory`` (and ``<directory>.parquet``) by the rows of ``frame`` and the report; returns it.

    ``frame`` has a column ``is_anomaly`` (bool or 0/1). Users without a verdict (null) are no training data; they
    are left out and counted in the report as ``users_without_verdict``. Both names are links, moved when everything
    is written: a reader sees one version or another, never a part. Raises ``ValueError`` when ``is_anomaly`` is
    missing, ``FileExistsError`` when ``directory`` is a folder with files of somebody else.
    """
    if LABEL not in frame.columns:
        raise ValueError(f"training data needs the column {LABEL!r}; there are {frame.columns}")
    directory = directory.absolute()
    _refuse_foreign(directory)
    versions = directory.parent / _VERSIONS / directory.name
    version = versions / uuid.uuid4().hex[:12]
    draft = versions / f"{_DRAFT}{version.name}"
    _write_version(draft, version.name, frame.with_columns(pl.col(LABEL).cast(pl.Int32)), report)
    with FileLock(directory.parent / _VERSIONS / "lock"):
        draft.rename(version)
        if directory.is_dir() and not directory.is_symlink():
            directory.rmdir()  # empty, or it would have been refused
        _point(directory, (version / "users").relative_to(directory.parent))
        _point(_single_file(directory), (version / "users.parquet").relative_to(directory.parent))
        _collect(versions, current=version)
    return directory


def _write_version(draft: Path, name: str, frame: pl.DataFrame, report: Mapping[str, Any]) -> None:
    labelled = frame.filter(pl.col(LABEL).is_not_null())
    folder = draft / "users"
    for label in (0, 1):
        # Names differ per version: a reader caught by a switch misses a file loudly instead of mixing two versions.
        part = folder / f"{LABEL}={label}" / f"part-00000-{name}.parquet"
        part.parent.mkdir(parents=True)
        labelled.filter(pl.col(LABEL) == label).write_parquet(part, compression="zstd")
    labelled.write_parquet(draft / "users.parquet", compression="zstd")
    dropped = frame.height - labelled.height
    document = {**report, "users_without_verdict": report.get("users_without_verdict", 0) + dropped}
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    (folder / "anomaly_report.json").write_text(text + "\n", encoding="utf-8")
    (folder / "_SUCCESS").touch()


def _single_file(directory: Path) -> Path:
    return directory.with_name(f"{directory.name}.parquet")


def _refuse_foreign(directory: Path) -> None:
    if directory.is_symlink() or not directory.exists():
        return
    if not directory.is_dir() or any(directory.iterdir()):
        raise FileExistsError(f"{directory} holds files that streamguard did not write; choose another folder")


def _point(link: Path, target: Path) -> None:
    """Make ``link`` name ``target`` (relative to its own folder) in one step."""
    draft = link.with_name(f".{link.name}.{uuid.uuid4().hex[:12]}")
    draft.symlink_to(target)
    draft.replace(link)


def _collect(versions: Path, current: Path) -> None:
    """Delete all but the newest versions, and drafts of exports that were killed. A crash leaves them to the next."""
    age_ns = {entry: current.stat().st_mtime_ns - entry.stat().st_mtime_ns for entry in versions.iterdir()}
    finished = sorted((e for e in age_ns if not e.name.startswith(_DRAFT)), key=lambda e: (e != current, age_ns[e]))
    killed = [e for e in age_ns if e.name.startswith(_DRAFT) and age_ns[e] > ABANDONED_AFTER_NS]
    for entry in finished[KEPT_VERSIONS:] + killed:
        shutil.rmtree(entry)
