"""What an account does each time it acts, and how such acts become security events.

A ``Behaviour`` says from where, which types, against what, how often it fails and how threatening it looks;
``perform`` draws the events for given moments. Normal users and attackers differ only in behaviour and moments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from streamguard_assets.contracts.security import EVENT_TYPES
from streamguard_assets.generators import places

STAY_MS = 30 * 60 * 1000
"""An account keeps its address for this long before it may change it (office in the morning, home in the evening)."""

LOCATION_UNKNOWN_SHARE = 0.01
"""Share of events whose address no geolocation database knows."""


@dataclass(frozen=True)
class Origin:
    """An address with its location, and how often the account is there."""

    address: str
    location: str
    weight: float = 1.0


@dataclass(frozen=True)
class Threat:
    """Threat scores: Beta-distributed around ``mean``; a share of ``alarms`` is raised to 0.7–1 by some rule."""

    mean: float
    concentration: float = 25.0
    alarms: float = 0.0


@dataclass(frozen=True)
class Behaviour:
    """How an account acts.

    ``type_weights`` are in the order of the contract's ``EVENT_TYPES``.
    ``stray_share`` of the events come from an address used for that event only, drawn by ``stray_addresses`` and
    located in one of ``stray_locations``. ``failed_auth_share`` is of authentications, ``blocked_share`` of all
    else. ``bytes_median`` is of transfers (log-normal).
    """

    origins: tuple[Origin, ...]
    type_weights: tuple[float, float, float, float, float]
    destinations: tuple[str, ...]
    threat: Threat
    failed_auth_share: float = 0.03
    blocked_share: float = 0.01
    bytes_median: float = 20_000.0
    stray_share: float = 0.0
    stray_addresses: Callable[[np.random.Generator, int], list[str]] = places.mobile_addresses
    stray_locations: tuple[str, ...] = ()
    agents: tuple[str, ...] = places.AGENTS[:1]
    programs: tuple[str, ...] = places.PROGRAMS
    domains: tuple[str, ...] = places.DOMAINS


@dataclass(frozen=True)
class Episode:
    """Moments (epoch ms, ascending) at which an account behaves in one way; ``attack`` marks what is ground truth."""

    times_ms: np.ndarray
    behaviour: Behaviour
    attack: bool = False


def perform(
    rng: np.random.Generator, behaviour: Behaviour, times_ms: np.ndarray, begin_ms: int, end_ms: int
) -> Iterator[tuple[int, dict[str, Any]]]:
    """The events at the moments inside ``[begin_ms, end_ms)``, each with its index among all of ``times_ms``.

    The events hold the fields of the contract `security`, without ``event_id`` and ``user``. All moments take part
    in the draws, so an event does not depend on the span that it is asked for with.
    """
    count = len(times_ms)
    types = _choose(rng, len(EVENT_TYPES), behaviour.type_weights, count)
    addresses, locations = _whereabouts(rng, behaviour, times_ms)
    destinations = _pick(rng, behaviour.destinations, count)
    statuses = _statuses(rng, behaviour, types)
    scores = _threat_scores(rng, behaviour.threat, count)
    details = _Details(rng, behaviour, count)
    for i in np.flatnonzero((times_ms >= begin_ms) & (times_ms < end_ms)).tolist():
        metadata = details.of(i, int(types[i]))
        if locations[i] is not None:
            metadata["geo_location"] = locations[i]
        yield (
            i,
            {
                "timestamp": int(times_ms[i]),
                "event_type": EVENT_TYPES[types[i]],
                "source_ip": addresses[i],
                "destination_ip": destinations[i],
                "status": statuses[i],
                "threat_score": scores[i],
                "metadata": metadata,
            },
        )


def _choose(rng: np.random.Generator, options: int, weights: Sequence[float], count: int) -> np.ndarray:
    shares = np.asarray(weights, dtype=np.float64)
    return rng.choice(options, size=count, p=shares / shares.sum())


def _pick(rng: np.random.Generator, options: Sequence[str], count: int) -> list[str]:
    chosen: list[int] = rng.integers(0, len(options), count).tolist()
    return [options[i] for i in chosen]


def _whereabouts(
    rng: np.random.Generator, behaviour: Behaviour, times_ms: np.ndarray
) -> tuple[list[str], list[str | None]]:
    """Source address and location of each event: one origin per stay, strays in between."""
    count = len(times_ms)
    _, stay = np.unique(times_ms // STAY_MS, return_inverse=True)
    stays = int(stay.max()) + 1 if count else 0
    chosen = _choose(rng, len(behaviour.origins), [o.weight for o in behaviour.origins], stays)[stay]
    addresses = [behaviour.origins[i].address for i in chosen.tolist()]
    locations: list[str | None] = [behaviour.origins[i].location for i in chosen.tolist()]
    strays = np.flatnonzero(rng.random(count) < behaviour.stray_share).tolist()
    elsewhere = behaviour.stray_locations or (behaviour.origins[0].location,)
    for i, address, location in zip(
        strays, behaviour.stray_addresses(rng, len(strays)), _pick(rng, elsewhere, len(strays)), strict=True
    ):
        addresses[i], locations[i] = address, location
    for i in np.flatnonzero(rng.random(count) < LOCATION_UNKNOWN_SHARE).tolist():
        locations[i] = None
    return addresses, locations


def _statuses(rng: np.random.Generator, behaviour: Behaviour, types: np.ndarray) -> list[str]:
    luck = rng.random(len(types))
    is_auth = types == EVENT_TYPES.index("auth_attempt")
    bad = np.where(is_auth, luck < behaviour.failed_auth_share, luck < behaviour.blocked_share)
    pending = ~bad & (luck > 0.995)
    labels = np.where(bad, np.where(is_auth, "failed", "blocked"), np.where(pending, "pending", "success"))
    return labels.tolist()


def _threat_scores(rng: np.random.Generator, threat: Threat, count: int) -> list[float]:
    scores = rng.beta(threat.mean * threat.concentration, (1 - threat.mean) * threat.concentration, count)
    alarms = rng.random(count) < threat.alarms
    scores[alarms] = 0.7 + 0.3 * rng.random(int(alarms.sum()))
    return scores.round(4).tolist()


class _Details:
    """Draws the ``metadata`` of ``count`` events at once; ``of`` keeps what suits the type of one event."""

    def __init__(self, rng: np.random.Generator, behaviour: Behaviour, count: int) -> None:
        self._agents = _pick(rng, behaviour.agents, count)
        self._domains = _pick(rng, behaviour.domains, count)
        self._files = _pick(rng, places.FILES, count)
        self._programs = _pick(rng, behaviour.programs, count)
        self._encrypted = (rng.random(count) < 0.9).tolist()
        self._bytes = np.minimum(rng.lognormal(np.log(behaviour.bytes_median), 1.0, count), 1e12).astype(int).tolist()

    def of(self, i: int, kind: int) -> dict[str, Any]:
        match EVENT_TYPES[kind]:
            case "auth_attempt":
                return {"user_agent": self._agents[i], "port": 443, "protocol": "https"}
            case "network_connection":
                port, protocol = (443, "https") if self._encrypted[i] else (80, "http")
                return {
                    "user_agent": self._agents[i],
                    "port": port,
                    "protocol": protocol,
                    "domain": self._domains[i],
                    "bytes_transferred": self._bytes[i],
                }
            case "file_access":
                return {"file_path": self._files[i], "bytes_transferred": self._bytes[i]}
            case "process_execution":
                return {"process_name": self._programs[i]}
            case _:
                return {"port": 53, "protocol": "udp", "domain": self._domains[i]}
