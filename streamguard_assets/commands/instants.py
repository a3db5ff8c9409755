"""Instants and windows as people type them."""

from __future__ import annotations

from datetime import UTC, datetime

from streamguard_assets.commands.exit_codes import CommandError, ExitCode
from streamguard_assets.contracts.windows import window_start


def parse_window(text: str) -> str:
    """``text``, if it is a window key.

    Raises:
        CommandError: it is none; a typo must not read as a window that holds nothing.
    """
    try:
        window_start(text)
    except ValueError:
        raise CommandError(f"{text!r} is no window; write a key like 2026-01-31-14:00", ExitCode.USAGE) from None
    return text


def parse_instant(text: str) -> datetime:
    """A date, an ISO-8601 instant (UTC unless it says otherwise) or a window key.

    >>> parse_instant("2026-01-31").isoformat()
    '2026-01-31T00:00:00+00:00'
    >>> parse_instant("2026-01-31-14:00").isoformat()
    '2026-01-31T14:00:00+00:00'

    Raises:
        CommandError: it is none of these.
    """
    try:
        instant = datetime.fromisoformat(text)
        return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
    except ValueError:
        pass
    try:
        return window_start(text)
    except ValueError:
        raise CommandError(
            f"{text!r} is no instant; write 2026-01-31, 2026-01-31T14:00Z or a window key like 2026-01-31-14:00",
            ExitCode.USAGE,
        ) from None
