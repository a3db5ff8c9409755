"""An empty lake per test, on the local disk or on an S3 server, and child processes that never outlive their test."""

from __future__ import annotations

import http.client
import multiprocessing
from collections.abc import Callable, Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

from streamguard_assets.lake.location import LakeLocation
from streamguard_assets_tests.lake import processes

SPAWN = multiprocessing.get_context("spawn")


@pytest.fixture
def location(tmp_path: Path) -> LakeLocation:
    return LakeLocation(str(tmp_path / "lake"))


@pytest.fixture
def start() -> Iterator[Callable[..., BaseProcess]]:
    """Starts ``target(*arguments)`` in a process of its own."""
    started: list[BaseProcess] = []

    def begin(target: Callable[..., None], *arguments: Any) -> BaseProcess:
        process = SPAWN.Process(target=target, args=arguments)
        process.start()
        started.append(process)
        return process

    yield begin
    for process in started:
        if process.is_alive():
            process.kill()
        process.join()
        process.close()


@pytest.fixture(scope="session")
def s3_options() -> Iterator[dict[str, str]]:
    """Storage options of an S3 server on loopback with the bucket ``lake``."""
    ports, stop = SPAWN.Queue(), SPAWN.Event()
    server = SPAWN.Process(target=processes.serve_s3, args=(ports, stop))
    server.start()
    port = ports.get(timeout=60)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("PUT", "/lake")
    assert connection.getresponse().status == 200
    connection.close()
    yield {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "AWS_ALLOW_HTTP": "true",
    }
    stop.set()
    server.join(30)
    if server.is_alive():
        server.kill()
        server.join()
    server.close()
    ports.close()
    ports.join_thread()


@pytest.fixture
def s3_location(s3_options: dict[str, str], tmp_path: Path) -> LakeLocation:
    return LakeLocation(f"s3://lake/{tmp_path.parent.name}-{tmp_path.name}", s3_options)
