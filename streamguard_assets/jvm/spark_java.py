"""A ``JAVA_HOME`` for Spark over a Java that has no vector module.

Spark 4.2 starts its JVM with ``--add-modules=jdk.incubator.vector``, and a runtime without that module (the
bundled one has only the standard ones) refuses to start at all. The generated ``java`` leaves this one flag out.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

from streamguard_assets.jvm.java import PROBE_TIMEOUT_S, JavaRuntime

VECTOR_MODULE = "jdk.incubator.vector"

_LAUNCHER = """\
#!/bin/sh
# Written by streamguard: Java as it is, without the one module that it does not have.
for argument do
  shift
  [ "$argument" = "--add-modules={module}" ] || set -- "$@" "$argument"
done
exec {java} "$@"
"""


def spark_java_home(java: JavaRuntime, state: Path) -> Path:
    """The ``JAVA_HOME`` to start Spark with: that of ``java``, or a launcher folder in ``state`` when it needs one."""
    if java.origin in ("JAVA_HOME", "PATH") or _has_vector_module(java):
        return java.home
    home = state / "java" / f"{java.origin}-{java.version}"
    _write_executable(
        home / "bin" / "java", _LAUNCHER.format(module=VECTOR_MODULE, java=shlex.quote(str(java.executable)))
    )
    return home


def _has_vector_module(java: JavaRuntime) -> bool:
    modules = subprocess.run(
        [java.executable, "--list-modules"],
        capture_output=True,
        text=True,
        timeout=PROBE_TIMEOUT_S,
        check=True,
        stdin=subprocess.DEVNULL,
    ).stdout
    return any(line.split("@")[0] == VECTOR_MODULE for line in modules.split())


def _write_executable(path: Path, text: str) -> None:
    """Replace ``path`` in one step: another process may be starting it at this moment."""
    if path.is_file() and path.read_text() == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.write_text(text)
    draft.chmod(0o755)
    draft.replace(path)
