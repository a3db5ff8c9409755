"""Ports stay the same from start to start where they can, and are never two at once."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from streamguard_assets.kafka.broker.ports import HOST, BrokerPorts, choose_ports, is_free, read_ports, write_ports


@pytest.fixture
def two_free_ports() -> BrokerPorts:
    with socket.socket() as one, socket.socket() as other:
        one.bind((HOST, 0))
        other.bind((HOST, 0))
        return BrokerPorts(one.getsockname()[1], other.getsockname()[1])


def test_the_ports_of_the_last_start_are_taken_again(two_free_ports: BrokerPorts) -> None:
    assert choose_ports(0, two_free_ports) == two_free_ports


def test_a_port_that_was_set_is_taken_even_if_another_was_used_before(two_free_ports: BrokerPorts) -> None:
    last = BrokerPorts(1, two_free_ports.controller)
    assert choose_ports(two_free_ports.client, last) == two_free_ports


def test_the_controller_gives_way_to_the_port_that_was_set(two_free_ports: BrokerPorts) -> None:
    last = BrokerPorts(two_free_ports.client, two_free_ports.controller)
    chosen = choose_ports(last.controller, last)
    assert chosen.client == last.controller
    assert chosen.controller != last.controller


def test_ports_that_others_took_meanwhile_are_replaced(two_free_ports: BrokerPorts) -> None:
    with socket.create_server((HOST, two_free_ports.client)), socket.create_server((HOST, two_free_ports.controller)):
        assert not is_free(two_free_ports.client)
        chosen = choose_ports(0, two_free_ports)
        assert {chosen.client, chosen.controller}.isdisjoint({two_free_ports.client, two_free_ports.controller})
        assert is_free(chosen.client)
        assert is_free(chosen.controller)


def test_the_first_start_takes_two_different_ports() -> None:
    chosen = choose_ports(0, None)
    assert chosen.client != chosen.controller


def test_a_note_gives_back_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "ports.json"
    assert read_ports(path) is None
    write_ports(path, BrokerPorts(1, 2))
    assert read_ports(path) == BrokerPorts(1, 2)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"client": "x", "controller": 1}'])
def test_a_note_that_cannot_be_read_is_only_a_convenience_lost(tmp_path: Path, text: str) -> None:
    path = tmp_path / "ports.json"
    path.write_text(text)
    assert read_ports(path) is None
