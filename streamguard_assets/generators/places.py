"""Where simulated accounts work from and what they touch: offices, address ranges, hosts, files, programs, domains.

Every address is from a range that belongs to nobody on the public internet (private use, shared address space,
benchmarking, documentation), so that no demo ever accuses a real host.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Office:
    """A site with staff. ``utc_offset_hours`` is its standard time; daylight saving is left out."""

    location: str
    utc_offset_hours: float
    network: int
    staff_share: float


OFFICES = (
    Office("DE-Berlin", 1.0, 10, 0.30),
    Office("GB-London", 0.0, 20, 0.24),
    Office("US-New-York", -5.0, 30, 0.20),
    Office("BR-Sao-Paulo", -3.0, 40, 0.10),
    Office("IN-Bengaluru", 5.5, 50, 0.10),
    Office("SG-Singapore", 8.0, 60, 0.06),
)

TRAVEL_LOCATIONS = ("FR-Paris", "ES-Madrid", "US-Chicago", "AE-Dubai", "JP-Tokyo", "AU-Sydney")
HOSTILE_LOCATIONS = (
    "unknown",
    "tor-exit",
    "RO-Bucharest",
    "VN-Hanoi",
    "NG-Lagos",
    "KZ-Almaty",
    "PA-Panama",
    "UA-Odesa",
)

INTERNAL_HOSTS = tuple(f"10.0.{rack}.{unit}" for rack in range(1, 5) for unit in range(10, 22))
EXTERNAL_HOSTS = tuple(f"192.0.2.{unit}" for unit in range(10, 60))
DOMAINS = tuple(
    f"{host}.example.{suffix}"
    for suffix in ("com", "net", "org")
    for host in ("mail", "wiki", "git", "crm", "calendar", "build", "files", "news", "search", "maps")
)
FILES = tuple(
    f"/srv/{share}/{name}"
    for share in ("finance", "engineering", "sales", "shared")
    for name in ("plan.xlsx", "notes.md", "report.pdf", "design.svg", "export.csv", "minutes.docx")
)
PROGRAMS = ("chrome", "outlook", "slack", "python", "excel", "teams", "code", "git", "ssh", "node")
AGENTS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Firefox/131.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5) Safari/617.1",
    "Mozilla/5.0 (X11; Linux x86_64) Chrome/130.0",
)


def office_address(rng: np.random.Generator, office: Office) -> str:
    """A desk in the office's own network, 10.<network>.0.0/16."""
    return f"10.{office.network}.{rng.integers(1, 255)}.{rng.integers(1, 255)}"


def home_address(rng: np.random.Generator) -> str:
    """A home line, from the shared address space 100.64.0.0/10."""
    return f"100.{rng.integers(64, 120)}.{rng.integers(0, 256)}.{rng.integers(1, 255)}"


def mobile_addresses(rng: np.random.Generator, count: int) -> list[str]:
    """``count`` addresses of phones and hotel networks, drawn anew each time: 100.120.0.0/13."""
    return [f"100.{a}.{b}.{c}" for a, b, c in rng.integers((120, 0, 1), (128, 256, 255), (count, 3)).tolist()]


def hostile_addresses(rng: np.random.Generator, count: int) -> list[str]:
    """``count`` addresses of rented hosts and proxies, from the benchmarking range 198.18.0.0/15."""
    return [f"198.{a}.{b}.{c}" for a, b, c in rng.integers((18, 0, 1), (20, 256, 255), (count, 3)).tolist()]


def drop_hosts(rng: np.random.Generator, count: int) -> tuple[str, ...]:
    """Up to ``count`` hosts that nobody in the company talks to: TEST-NET-3, 203.0.113.0/24."""
    return tuple(f"203.0.113.{unit}" for unit in sorted(rng.choice(np.arange(1, 255), count, replace=False).tolist()))
