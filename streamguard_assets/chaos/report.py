"""An account of a run as a table for people and as a document for programs."""

from __future__ import annotations

from typing import Any

from streamguard_assets.chaos.account import Account


def report_document(account: Account, seed: int) -> dict[str, Any]:
    """Plain values: what was done, what was proven, what is wrong. ``seed`` repeats the same blows."""
    recovery_s = account.mean_recovery_s
    return {
        "seed": seed,
        "kills": account.total_kills,
        "rounds": account.rounds,
        "commits": account.commits,
        "verifications": account.verifications,
        "verified_records": account.verified_records,
        "misjudged_by_kafka": account.misjudged_by_kafka,
        "mean_recovery_s": None if recovery_s is None else round(recovery_s, 2),
        "findings": [str(finding) for finding in account.findings],
        "kills_by_kind": dict(sorted(account.kills.items())),
    }


def one_line(account: Account) -> str:
    """What a progress bar says."""
    return f"{account.total_kills} kills, {account.commits:,} commits, {account.verified_records:,} events proven"
