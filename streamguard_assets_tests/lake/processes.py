"""What the tests run in processes of their own: writers that race, and one that is killed."""

from __future__ import annotations

import threading
from multiprocessing.synchronize import Barrier, Event
from typing import Any

from streamguard_assets.contracts.windows import Cadence
from streamguard_assets.lake.ledger import Ledger
from streamguard_assets.lake.location import LakeLocation
from streamguard_assets_tests.lake.samples import START, boundary, commit_of, events, rows


def write_windows(location: LakeLocation, windows: list[str], name: str, start: Barrier) -> None:
    """Write 10 rows to each window, each time under an attempt of its own."""
    table = events(location)
    start.wait(60)
    for index, window in enumerate(windows):
        table.write(rows(10), commit_of(window, f"{name}{index}"))


def stage_and_wait(location: LakeLocation, window: str, staged: Event) -> None:
    """Stage 5 rows, tell so, and wait for the kill that comes instead of the commit."""
    table = events(location)
    with table.stager(window, "killed") as stager:
        stager.add(rows(5))
        files = stager.finish()
        staged.set()
        threading.Event().wait()
    table.commit(files, commit_of(window, "killed"))


def insert_boundaries(location: LakeLocation, offset: int, hours: int, start: Barrier, results: Any) -> None:
    """Insert the same instants as everybody, with an offset of its own; hand back what the ledger says they are."""
    ledger = Ledger(location, "security", "security-events", Cadence(60))
    start.wait(60)
    stored = [ledger.insert(boundary(index, index * 100 + offset), START).offsets[0] for index in range(hours)]
    results.put(stored)


def serve_s3(ports: Any, stop: Event) -> None:
    """An S3 server in a process of its own: Arrow's file calls hold the interpreter lock while they wait for it."""
    # Here and not above: the racing writers import this module too, and moto takes seconds.
    from moto.moto_server.threaded_moto_server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    ports.put(server.get_host_and_port()[1])
    stop.wait()
    server.stop()
