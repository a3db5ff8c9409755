"""Which ports the broker listens on: the one that was set, else those of the last start, else free ones."""

from __future__ import annotations

import json
import socket
from dataclasses import asdict, dataclass
from pathlib import Path

HOST = "127.0.0.1"
"""Loopback only: the local broker has no authentication."""


@dataclass(frozen=True, slots=True)
class BrokerPorts:
    """``client``: what bootstrap servers name. ``controller``: between the broker and its own controller."""

    client: int
    controller: int


def choose_ports(wanted: int, last: BrokerPorts | None) -> BrokerPorts:
    """``wanted`` (0: any) for clients. Last time's ports are taken where they are free, so that addresses which
    users noted stay good. Free now is no promise: whoever starts the broker must be ready to choose again."""
    client = wanted or (last.client if last and is_free(last.client) else _free_port())
    controller = last.controller if last and last.controller != client and is_free(last.controller) else _free_port()
    while controller == client:
        controller = _free_port()
    return BrokerPorts(client, controller)


def is_free(port: int) -> bool:
    """Whether this process could listen on the port now."""
    with socket.socket() as probe:
        # As Java does: else a connection of the last broker that lingers in TIME_WAIT makes its port look taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def read_ports(path: Path) -> BrokerPorts | None:
    """The ports noted in ``path``; None when there is no note that can be read (they are a convenience only)."""
    try:
        fields = json.loads(path.read_text())
        return BrokerPorts(int(fields["client"]), int(fields["controller"]))
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def write_ports(path: Path, ports: BrokerPorts) -> None:
    path.write_text(json.dumps(asdict(ports)))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]
