"""What a run has done and seen: kills by kind, proofs, times of recovery, findings."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from streamguard_assets.chaos.findings import Finding


@dataclass
class Account:
    """What a run has done and seen so far."""

    kills: Counter[str] = field(default_factory=Counter)
    rounds: int = 0
    commits: int = 0
    verifications: int = 0
    verified_records: int = 0
    misjudged_by_kafka: int = 0
    recoveries_s: list[float] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def total_kills(self) -> int:
        return sum(self.kills.values())

    @property
    def mean_recovery_s(self) -> float | None:
        """From a blow to the next micro-batch that was committed."""
        return sum(self.recoveries_s) / len(self.recoveries_s) if self.recoveries_s else None
