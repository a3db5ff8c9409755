"""A repository on loopback in Maven's layout, and jars that exist nowhere else."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from streamguard_assets.jvm.jar_set import Jar, JarSet


def made_up_jar(name: str, content: bytes) -> Jar:
    return Jar("test.streamguard", name, "1.0", hashlib.sha256(content).hexdigest())


@dataclass
class Mirror:
    """A running repository: ``put`` a jar, ``settings`` to be named in ``jvm.ivy_settings``, what was asked for."""

    root: Path
    port: int
    settings: Path
    fetched: list[str] = field(default_factory=list)
    pause: threading.Event = field(default_factory=threading.Event)
    """Clear it, and the files named in ``held`` are not answered until it is set."""
    held: set[str] = field(default_factory=set)

    def put(self, jar: Jar, content: bytes) -> None:
        folder = self.root / jar.organisation.replace(".", "/") / jar.name / jar.revision
        folder.mkdir(parents=True, exist_ok=True)
        (folder / jar.file_name).write_bytes(content)


class _Handler(SimpleHTTPRequestHandler):
    def __init__(self, *arguments: Any, mirror: Mirror, **options: Any) -> None:
        self._mirror = mirror
        super().__init__(*arguments, directory=str(mirror.root), **options)

    def do_GET(self) -> None:
        name = self.path.rsplit("/", 1)[-1]
        if name in self._mirror.held:
            self._mirror.pause.wait(60)
        self._mirror.fetched.append(name)
        super().do_GET()

    def log_message(self, format: str, *args: Any) -> None:
        """Silent: what was asked for is in ``Mirror.fetched``."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed in the middle is part of the tests."""


def ivy_settings(path: Path, port: int) -> Path:
    """A user's settings file for a mirror on loopback, as a company would hand it out."""
    path.write_text(
        '<ivysettings><settings defaultResolver="mirror"/><resolvers>'
        f'<ibiblio name="mirror" m2compatible="true" root="http://127.0.0.1:{port}/"/>'
        "</resolvers></ivysettings>"
    )
    return path


@contextmanager
def serving(root: Path, settings: Path) -> Iterator[Mirror]:
    root.mkdir()
    mirror = Mirror(root, 0, settings)
    mirror.pause.set()
    with _Server(("127.0.0.1", 0), partial(_Handler, mirror=mirror)) as server:
        mirror.port = server.server_port
        ivy_settings(settings, mirror.port)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield mirror
        mirror.pause.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[Mirror]:
    with serving(tmp_path / "mirror", tmp_path / "ivysettings.xml") as running:
        yield running


CONTENTS = {name: f"content of {name}".encode() * 1000 for name in ("alpha", "beta", "gamma")}


@pytest.fixture
def jar_set(mirror: Mirror) -> JarSet:
    """Three jars that the mirror has."""
    jars = tuple(made_up_jar(name, content) for name, content in CONTENTS.items())
    for jar in jars:
        mirror.put(jar, CONTENTS[jar.name])
    return JarSet("made-up", jars)
