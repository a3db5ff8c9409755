"""Fetching jars with Apache Ivy, the resolver that pyspark ships and that Spark itself uses.

Ivy knows its public repository by default and takes a user's settings file for a mirror, so no address of a
repository stands here.
"""

from __future__ import annotations

import importlib.util
import re
import subprocess
import time
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit
from xml.sax.saxutils import quoteattr

from streamguard_assets.jvm.jar_set import Jar
from streamguard_assets.jvm.java import JavaRuntime
from streamguard_assets.processes.owned import OwnedProcess

CONNECT_TIMEOUT_MS = 10_000
READ_TIMEOUT_MS = 60_000
SILENCE_S = 45.0
"""Ivy prints a line per module and a dot per piece of a file. When it prints nothing for so long, no connection
comes about, and it would go on through all other jars with the same timeouts: minutes, for nothing."""
_PROGRESS_TURN_S = 0.2
_FETCHED = re.compile(r"\[SUCCESSFUL \] [^#\s]+#[^;\s]+;\S+!(\S+)\.jar")
_CAUSE = re.compile(r"access error|exception|refused|timed out|PKIX|unknown host|host .* not found", re.IGNORECASE)
_MISSING = re.compile(r"module not found|NOT FOUND|FAILED|unresolved", re.IGNORECASE)
_CREDENTIALS = re.compile(r"://[^/@\s]+@")
_CAUSES_SHOWN = 3

# No checksums and no POMs: every file is compared with our own SHA-256 list, and the closure is known. This halves
# the requests twice over (5 s instead of 27 s for the broker).
_SETTINGS = f"""\
<ivysettings>
  <property name="ivy.checksums" value=""/>
  <settings defaultResolver="public"/>
  <timeout-constraints>
    <timeout-constraint name="bounded" connectionTimeout="{CONNECT_TIMEOUT_MS}" readTimeout="{READ_TIMEOUT_MS}"/>
  </timeout-constraints>
  <resolvers>
    <ibiblio name="public" m2compatible="true" usepoms="false" timeoutConstraint="bounded"/>
  </resolvers>
</ivysettings>
"""


class IvyError(Exception):
    """Ivy did not fetch everything; the text holds the lines of its output that tell why."""


def fetch(
    jars: Sequence[Jar],
    folder: Path,
    *,
    java: JavaRuntime,
    java_options: Sequence[str],
    ivy_settings: Path | None,
    log_file: Path,
    timeout_s: float,
    on_fetched: Callable[[str], None],
) -> None:
    """Fetch ``jars`` into ``folder`` (as ``<name>-<revision>.jar``), nothing verified.

    ``ivy_settings`` replaces our own settings. ``on_fetched`` gets the name of each jar when it has arrived. Ivy's
    output goes to ``log_file``. Raises ``IvyError``.
    """
    work = folder / ".ivy"
    work.mkdir(parents=True)
    (work / "ivy.xml").write_text(_module(jars))
    if ivy_settings is None:
        ivy_settings = work / "ivysettings.xml"
        ivy_settings.write_text(_SETTINGS)
    log_file.unlink(missing_ok=True)
    process = OwnedProcess(
        [
            *(str(java.executable), "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", *java_options, *proxy_options()),
            *("-cp", ":".join(str(path) for path in _ivy_jars()), "org.apache.ivy.Main"),
            *("-settings", str(ivy_settings), "-cache", str(work / "cache"), "-ivy", str(work / "ivy.xml")),
            *("-retrieve", str(folder / "[artifact]-[revision].[ext]")),
        ],
        name="Apache Ivy",
        log_file=log_file,
        grace_s=0,
    )
    with process:
        ended = _follow(process, timeout_s, on_fetched)
    if ended != "done":
        raise IvyError("\n".join([ended, *_telling_lines(log_file.read_text(errors="replace"))]))


def proxy_options() -> list[str]:
    """The proxies of the environment (``HTTPS_PROXY``, ``NO_PROXY``, …) as Java options: Java does not look there."""
    proxies = urllib.request.getproxies()
    options = []
    for scheme in ("http", "https"):
        address = urlsplit(proxies.get(scheme, ""))
        if address.hostname:
            options += [f"-D{scheme}.proxyHost={address.hostname}", f"-D{scheme}.proxyPort={address.port or 80}"]
    if options and (direct := proxies.get("no")):
        hosts = [f"*{host}" if host.startswith(".") else host for host in direct.replace(" ", "").split(",") if host]
        options.append(f"-Dhttp.nonProxyHosts={'|'.join(hosts)}")
    return options


def _follow(process: OwnedProcess, timeout_s: float, on_fetched: Callable[[str], None]) -> str:
    """Wait for Ivy, reporting what arrives; "done", or how it ended instead."""
    now = time.monotonic()
    deadline, silent_since = now + timeout_s, now
    printed = reported = 0
    code: int | None = None
    while code is None:
        try:
            code = process.wait(_PROGRESS_TURN_S)
        except subprocess.TimeoutExpired:
            code = None
        output = process.log_file.read_text(errors="replace")
        fetched = _FETCHED.findall(output)
        for name in fetched[reported:]:
            on_fetched(name)
        reported = len(fetched)
        now = time.monotonic()
        if len(output) > printed:
            printed, silent_since = len(output), now
        if code is None and now > deadline:
            return f"not done after {timeout_s:g} s (jvm.fetch_timeout_s)"
        if code is None and now - silent_since > SILENCE_S:
            return f"nothing arrived for {SILENCE_S:g} s"
    return "done" if code == 0 else f"Ivy ended with exit code {code}"


def _module(jars: Sequence[Jar]) -> str:
    """An Ivy module that depends on exactly ``jars``. The artifact is named, so that a jar packaged as a `bundle`
    is taken like any other."""
    dependencies = "\n".join(
        f"    <dependency org={quoteattr(jar.organisation)} name={quoteattr(jar.name)} rev={quoteattr(jar.revision)}"
        f' transitive="false" conf="default->default">'
        f'<artifact name={quoteattr(jar.name)} type="jar" ext="jar"/></dependency>'
        for jar in jars
    )
    return (
        '<ivy-module version="2.0">\n  <info organisation="streamguard" module="jars"/>\n'
        f'  <configurations><conf name="default"/></configurations>\n  <dependencies>\n{dependencies}\n'
        "  </dependencies>\n</ivy-module>\n"
    )


def _ivy_jars() -> list[Path]:
    """Ivy and the option parser that it needs, as pyspark ships them."""
    spec = importlib.util.find_spec("pyspark")  # the package itself takes a second to import
    folders = [] if spec is None else list(spec.submodule_search_locations or [])
    found = []
    for pattern in ("ivy-*.jar", "commons-cli-*.jar"):
        matches = [path for folder in folders for path in sorted(Path(folder, "jars").glob(pattern))]
        if not matches:
            raise IvyError(f"pyspark has no {pattern} among its jars (looked in {folders}): install pyspark again")
        found.append(matches[0])
    return found


def _telling_lines(output: str) -> list[str]:
    """The first few lines that tell a cause, else those that tell what is missing, else the last ones."""
    shown = _CREDENTIALS.sub("://***@", output)
    lines = list(dict.fromkeys(line.strip() for line in shown.splitlines() if line.strip()))
    for kind in (_CAUSE, _MISSING):
        if found := [line for line in lines if kind.search(line)]:
            more = len(found) - _CAUSES_SHOWN
            return found[:_CAUSES_SHOWN] + ([f"and {more} lines like these"] if more > 0 else [])
    return lines[-_CAUSES_SHOWN:]
