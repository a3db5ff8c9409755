"""What can go wrong with Java and its jars. Each text says what was found or tried, and what to set."""

from __future__ import annotations


class JvmError(Exception):
    """Java or its jars are not usable."""


class JavaNotFoundError(JvmError):
    """There is no usable Java where the settings say there is one, and no bundled one that runs."""


class TrustStoreError(JvmError):
    """The trust store that was set is not there."""


class JarsUnavailableError(JvmError):
    """Jars could not be fetched, or are not what the lock list says."""
