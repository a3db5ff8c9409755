"""How much memory a program needs: the most that it and its children held at one time."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

import psutil

LOOK_EVERY_S = 0.02


class ProgramError(Exception):
    """The program that was measured ended with an error; the text has what it said."""


def peak_resident_bytes(command: Sequence[str], timeout_s: float = 600.0) -> float:
    """Run ``command`` and give the highest sum of resident sizes of its process tree, looked at every 20 ms.

    Pages that two processes share count twice, so this is never too low by sharing, only by a peak between two looks.
    ``ProgramError`` if it ends with an error; ``subprocess.TimeoutExpired`` when it does not end.
    """
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    peak, looks = 0, int(timeout_s / LOOK_EVERY_S)
    with process:
        family = psutil.Process(process.pid)
        for _ in range(looks):
            peak = max(peak, _resident_bytes(family))
            try:
                process.wait(LOOK_EVERY_S)
                break
            except subprocess.TimeoutExpired:
                continue
        else:
            process.kill()
            raise subprocess.TimeoutExpired(command, timeout_s)
        said = process.stderr.read().decode(errors="replace") if process.stderr else ""
    if process.returncode:
        raise ProgramError(f"{' '.join(command)} ended with {process.returncode}:\n{said}")
    return float(peak)


def _resident_bytes(root: psutil.Process) -> int:
    total = 0
    try:
        members = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    for member in members:
        try:
            total += member.memory_info().rss
        except psutil.NoSuchProcess:  # ended between the two questions
            continue
    return total
