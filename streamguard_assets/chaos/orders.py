"""What one life of a stream is told on its command line, and how it ends: the real one and the wrong ones alike."""

from __future__ import annotations

import argparse
import os
import signal
from collections.abc import Sequence

from streamguard_assets.streaming.steps import OnStep, Step, nothing

LOST = 3
"""Exit code of a stream that another writer has taken over."""


def parser(program: str, description: str) -> argparse.ArgumentParser:
    """The arguments of one life; ``step`` is a ``Step`` or None."""
    arguments = argparse.ArgumentParser(prog=program, description=description)
    arguments.add_argument("--stream", required=True)
    arguments.add_argument("--owner", required=True, help="the name under which it takes the stream over")
    arguments.add_argument("--parent", type=int, required=True, help="the process with which this one ends")
    arguments.add_argument("--step", type=Step, default=None, help="where it kills itself")
    arguments.add_argument("--pass", type=int, default=1, dest="passes", help="at which pass of that step")
    return arguments


def order(owner: str, stream: str, step: Step | None = None, passes: int = 1) -> Sequence[str]:
    """The same as words of a command line, for a child of this process."""
    told = ["--stream", stream, "--owner", owner, "--parent", str(os.getpid())]
    return told if step is None else [*told, "--step", step, "--pass", str(passes)]


def blow_of(options: argparse.Namespace) -> OnStep:
    """What to do at each step: nothing, or on the chosen pass of the chosen step the end."""
    if options.step is None:
        return nothing
    passes = 0

    def on_step(step: Step) -> None:
        nonlocal passes
        passes += step is options.step
        if passes == options.passes:
            os.kill(os.getpid(), signal.SIGKILL)

    return on_step
