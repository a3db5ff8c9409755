"""The streams of the demo: wanted running, waited for, and shown with the numbers of their live tables."""

from __future__ import annotations

import time
from collections.abc import Sequence

from streamguard_assets.commands.exit_codes import CommandError
from streamguard_assets.commands.output import console, print_records, print_text
from streamguard_assets.commands.stream_status import status_readers, status_row
from streamguard_assets.commands.streams import now
from streamguard_assets.kafka.offsets import last_stable_offsets
from streamguard_assets.settings import Settings
from streamguard_assets.streaming.supervision.status import StatusReader
from streamguard_assets.streaming.supervision.wanted import WantedState, WantedTable
from streamguard_assets.windows.stream import Stream

POLL_INTERVAL_S = 0.5
TIMEOUT_S = 180.0
"""A loaded machine needs most of a minute until both runs have begun; past this something is wrong."""

_SHOWN = ("stream", "does", "lag", "events", "rejected", "commit ms", "latency ms", "last commit")


def want_running(stream: Stream) -> None:
    """The supervisor starts it as soon as the daemon is there."""
    wanted = WantedTable(stream.location, stream.name)
    if wanted.current().state is not WantedState.RUNNING:
        wanted.change(WantedState.RUNNING, by="streamguard demo", reason="the demo", now=now())


def wait_for_newest(streams: Sequence[Stream]) -> None:
    """Wait until the streams have committed what their topics hold now; ``CommandError`` when one does not in time."""
    deadline = time.monotonic() + TIMEOUT_S
    for stream in streams:
        (reader,) = status_readers(stream.settings, stream.name)
        ends = last_stable_offsets(stream.connection, stream.topic)
        with console.status(f"waiting for the stream {stream.name} to land the newest events …"):
            while not _has_landed(reader, ends):
                if time.monotonic() > deadline:
                    found = reader.read(now())
                    raise CommandError(
                        f"the stream {stream.name} has not landed the newest events after {TIMEOUT_S:g} s: "
                        f"{found.phase} {found.last_error}".rstrip()
                    )
                time.sleep(POLL_INTERVAL_S)  # its process writes a heartbeat, and tells nobody


def show_live(settings: Settings) -> None:
    """What the streams have landed, as they tell of it."""
    print_text("What has arrived since the last window: the live tables, and how quickly they have it\n")
    rows = [status_row(reader.read(now())) for reader in status_readers(settings)]
    print_records([{name: row[name] for name in _SHOWN} for row in rows])
    print_text("")


def _has_landed(reader: StatusReader, ends: dict[int, int]) -> bool:
    found = reader.read(now())
    if not found.is_running or found.heartbeat is None:
        return False
    positions = found.heartbeat.snapshot.positions
    return all(positions.get(partition, 0) >= end for partition, end in ends.items())
