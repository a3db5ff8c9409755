"""Jars on this machine: verified against their lock list, fetched when missing or spoiled, shared by processes."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from streamguard_assets.jvm import ivy
from streamguard_assets.jvm.errors import JarsUnavailableError
from streamguard_assets.jvm.jar_set import Jar, JarSet, sha256_of
from streamguard_assets.jvm.java import JavaRuntime, find_java
from streamguard_assets.jvm.trust_store import trust_store_options
from streamguard_assets.settings import Settings, environment_variable

LOCK_MARGIN_S = 60.0
"""How much longer than one download we wait for another process' download: it starts and verifies as well."""
_FETCH_PREFIX = ".fetch-"


@dataclass(frozen=True, slots=True)
class JarProgress:
    """How far a download is: ``fetched`` of ``total`` jars, ``name`` the newest (empty at the start)."""

    jar_set: str
    fetched: int
    total: int
    name: str


OnJarProgress = Callable[[JarProgress], None]


def ensure_jars(
    jar_set: JarSet,
    settings: Settings,
    *,
    java: JavaRuntime | None = None,
    on_progress: OnJarProgress | None = None,
) -> list[Path]:
    """The files of ``jar_set`` in its order, each one checked against its SHA-256 at this call.

    Missing and spoiled ones are fetched into a folder of their own, checked there, and moved into the cache
    (``settings.jar_cache``) one by one, each in one step. Of several processes one fetches and the others wait.
    Raises ``JarsUnavailableError``.
    """
    cache = settings.jar_cache
    if _unfit(jar_set.jars, cache):
        cache.mkdir(parents=True, exist_ok=True)
        with _filling(cache, settings.jvm.fetch_timeout_s + LOCK_MARGIN_S):
            if wanted := _unfit(jar_set.jars, cache):  # asked again: another process may just have fetched them
                _fetch(jar_set.name, wanted, settings, java or find_java(settings.jvm), on_progress)
    return [cache / jar.file_name for jar in jar_set.jars]


@contextmanager
def _filling(cache: Path, timeout_s: float) -> Iterator[None]:
    """The right to put jars into ``cache``: one process at a time."""
    try:
        with FileLock(cache / ".lock", timeout=timeout_s):
            yield
    except Timeout:
        raise JarsUnavailableError(
            f"another process has been fetching jars into {cache} for {timeout_s:g} s (it holds {cache / '.lock'})"
        ) from None


def class_path(jars: Sequence[Path]) -> str:
    return ":".join(str(jar) for jar in jars)


def _unfit(jars: Sequence[Jar], folder: Path) -> list[Jar]:
    """Those that are not there, or not what the lock list says."""
    return [jar for jar in jars if not (file := folder / jar.file_name).is_file() or sha256_of(file) != jar.sha256]


def _fetch(
    set_name: str, wanted: Sequence[Jar], settings: Settings, java: JavaRuntime, on_progress: OnJarProgress | None
) -> None:
    cache = settings.jar_cache
    fetched = 0

    def report(name: str) -> None:
        nonlocal fetched
        fetched += bool(name)
        if on_progress is not None:
            on_progress(JarProgress(set_name, fetched, len(wanted), name))

    report("")
    log_file = cache / f"ivy-{set_name}.log"
    for leftover in cache.glob(f"{_FETCH_PREFIX}*"):  # of a process that was killed; the lock is ours now
        shutil.rmtree(leftover)
    # Inside the cache: a move in one step is only possible within one file system.
    with tempfile.TemporaryDirectory(prefix=_FETCH_PREFIX, dir=cache) as folder:
        try:
            ivy.fetch(
                wanted,
                Path(folder),
                java=java,
                java_options=trust_store_options(settings.jvm, Path(folder)),
                ivy_settings=_ivy_settings(settings),
                log_file=log_file,
                timeout_s=settings.jvm.fetch_timeout_s,
                on_fetched=report,
            )
        except ivy.IvyError as error:
            raise JarsUnavailableError(_explain(set_name, wanted, settings, java, log_file, str(error))) from None
        _refuse_wrong(_unfit(wanted, Path(folder)), Path(folder), settings)
        for jar in wanted:
            Path(folder, jar.file_name).replace(cache / jar.file_name)


def _ivy_settings(settings: Settings) -> Path | None:
    named = settings.jvm.ivy_settings
    if named is None:
        return None
    if not named.expanduser().is_file():
        variable = environment_variable("jvm.ivy_settings")
        raise JarsUnavailableError(f"jvm.ivy_settings ({variable}) names {named}, and there is no such file")
    return named.expanduser().absolute()


def _refuse_wrong(wrong: Sequence[Jar], folder: Path, settings: Settings) -> None:
    if not wrong:
        return
    found = "\n  ".join(
        f"{jar}: SHA-256 {sha256_of(folder / jar.file_name) if (folder / jar.file_name).is_file() else 'missing'}, "
        f"expected {jar.sha256}"
        for jar in wrong
    )
    raise JarsUnavailableError(
        f"{len(wrong)} fetched jars are not what the lock list says; none was taken into {settings.jar_cache}:\n"
        f"  {found}\nAsk who runs {_source(settings)} why its files differ."
    )


def _source(settings: Settings) -> str:
    named = settings.jvm.ivy_settings
    return "Apache Ivy's default repository" if named is None else f"the repository of {named}"


def _explain(
    set_name: str, wanted: Sequence[Jar], settings: Settings, java: JavaRuntime, log_file: Path, said: str
) -> str:
    indented = "\n".join(f"  {line}" for line in said.splitlines())
    return (
        f"could not fetch the jars of {set_name}: {len(wanted)} are missing in {settings.jar_cache}, "
        f"the first is {wanted[0]}.\n"
        f"Tried {_source(settings)}, with Apache Ivy on {java}. It failed:\n{indented}\n"
        f"All of it is in {log_file}.\n"
        "If this machine reaches no public repository, name your mirror in an ivysettings.xml and set "
        f"jvm.ivy_settings ({environment_variable('jvm.ivy_settings')}) to that file; if the connection is refused "
        f"for its certificate, set jvm.trust_store ({environment_variable('jvm.trust_store')}); or copy the jars from "
        f"a machine that has them and set jvm.jar_cache_dir ({environment_variable('jvm.jar_cache_dir')})."
    )
