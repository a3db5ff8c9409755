"""Transactions whose end the broker decided and never wrote, by what its own log says.

Apache Kafka 4.3.1, one node: killed after it has decided the end of a transaction and before the partitions have it, a
broker may come back before it knows that it leads them again. It then takes the partitions for deleted, drops what it
had to write, and counts the transaction as ended. Its records stay open, and share the fate of the next transaction of
the same producer: aborted ones are committed for every reader, or committed ones aborted. No reader can tell.
"""

from __future__ import annotations

from pathlib import Path

SAID = "while trying to send transaction markers"


def dropped_ends(log: Path) -> int:
    """How many transactions the broker that writes ``log`` says it left without their end."""
    files = [path for path in log.parent.glob(f"{log.name}*") if path.is_file()]  # also those that were rolled over
    return sum(path.read_text(encoding="utf-8", errors="replace").count(SAID) for path in files)
