"""Attackers of named kinds. Each is one account, whose events show the attack the way a per-user view sees it.

- ``brute_force``: an account that a script tries passwords on, in bursts, from a few rented hosts.
- ``password_spray``: a hijacked guest account used as the sender: a few passwords against every host there is, in
  slow rounds, nearly every attempt through another proxy. (A spray shows at its source: the accounts that it tries
  see one failure each, which is nothing.)
- ``credential_stuffing``: leaked passwords tried by machine through many proxies; now and then one fits.
- ``exfiltration``: files collected and sent in large pieces to unknown hosts, at night, with tunnelling over DNS.
- ``night_owl``: an account with a quiet, ordinary day that wakes between 02:00 and 04:00 UTC in a new place and
  runs programs it never ran.
- ``impossible_travel``: an ordinary day, and meanwhile sessions of the same account on another continent.

Every kind keeps to clock times (UTC) that are drawn once per account, so any 24 hours hold one whole round of it,
wherever the day is cut. Fewer events (``activity`` < 1) make shorter bursts of the same pace; more make faster ones of
the same length, so that a round never outlasts its day.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date

import numpy as np

from streamguard_assets.generators import places
from streamguard_assets.generators.accounts import HOUR_MS, Account, Episodes, midnight_ms, stream_of_chance
from streamguard_assets.generators.behaviour import Behaviour, Episode, Origin, Threat
from streamguard_assets.generators.habits import ordinary_days
from streamguard_assets.generators.names import NAMES, person_name

DEFAULT_ATTACKERS = ("brute_force", "password_spray", "exfiltration", "night_owl")

SCRIPT_AGENTS = ("python-requests/2.19", "curl/7.58", "Go-http-client/1.1", "hydra")
TOOLS = ("powershell", "mimikatz", "psexec", "nc", "whoami", "certutil", "rclone", "7z")


def attacker_accounts(seed: int, kinds: Sequence[str], users: int, activity: float) -> list[Account]:
    """One account per entry of ``kinds`` (a kind may come twice); ``ValueError`` lists the known kinds.

    ``users`` is the size of the normal population: attackers take names from the other end of the same register,
    so a name gives nothing away and one more normal user renames nobody.
    """
    end_of_register = NAMES * -(-(users + len(kinds)) // NAMES)
    accounts = []
    for index, kind in enumerate(kinds):
        if kind not in KINDS:
            raise ValueError(f"there is no attack kind {kind!r}; known: {', '.join(sorted(KINDS))}")
        rng = stream_of_chance(seed, "attacker", kind, str(index))
        accounts.append(Account(person_name(seed, end_of_register - 1 - index), kind, KINDS[kind](rng, activity)))
    return accounts


def _brute_force(rng: np.random.Generator, activity: float) -> Episodes:
    manners = Behaviour(
        origins=_hostile_origins(rng, 4),
        type_weights=(0.98, 0.02, 0.0, 0.0, 0.0),
        destinations=tuple(map(str, rng.choice(places.INTERNAL_HOSTS, 3, replace=False))),
        threat=Threat(0.62),
        failed_auth_share=0.985,
        blocked_share=0.5,
        agents=SCRIPT_AGENTS,
    )
    return _bursts(manners, rng.uniform(0, 23.5, 4), events=250, gap_s=0.3, activity=activity)


def _password_spray(rng: np.random.Generator, activity: float) -> Episodes:
    manners = Behaviour(
        origins=_hostile_origins(rng, 3),
        type_weights=(0.94, 0.06, 0.0, 0.0, 0.0),
        destinations=places.INTERNAL_HOSTS + places.EXTERNAL_HOSTS,
        threat=Threat(0.38),
        failed_auth_share=0.97,
        blocked_share=0.3,
        stray_share=0.9,
        stray_addresses=places.hostile_addresses,
        stray_locations=places.HOSTILE_LOCATIONS,
        agents=SCRIPT_AGENTS,
    )
    return _bursts(manners, np.sort(rng.uniform(0, 23, 7)), events=80, gap_s=4.0, activity=activity)


def _credential_stuffing(rng: np.random.Generator, activity: float) -> Episodes:
    manners = Behaviour(
        origins=_hostile_origins(rng, 3),
        type_weights=(0.97, 0.03, 0.0, 0.0, 0.0),
        destinations=tuple(map(str, rng.choice(places.EXTERNAL_HOSTS, 4, replace=False))),
        threat=Threat(0.72),
        failed_auth_share=0.95,
        blocked_share=0.3,
        stray_share=0.7,
        stray_addresses=places.hostile_addresses,
        stray_locations=places.HOSTILE_LOCATIONS,
        agents=(*SCRIPT_AGENTS, *places.AGENTS),
    )
    return _bursts(manners, rng.uniform(0, 23.5, 2), events=400, gap_s=0.2, activity=activity)


def _exfiltration(rng: np.random.Generator, activity: float) -> Episodes:
    manners = Behaviour(
        origins=_hostile_origins(rng, 2),
        type_weights=(0.01, 0.50, 0.24, 0.0, 0.25),
        destinations=places.drop_hosts(rng, 90),
        threat=Threat(0.5, alarms=0.15),
        failed_auth_share=0.2,
        blocked_share=0.02,
        bytes_median=4e8,
        stray_share=0.05,
        stray_addresses=places.hostile_addresses,
        stray_locations=places.HOSTILE_LOCATIONS,
        agents=SCRIPT_AGENTS,
        domains=tuple(f"{word:08x}.cdn.example.net" for word in rng.integers(0, 2**32, 200).tolist()),
    )
    odd_hours = np.sort(rng.choice([0.0, 1.0, 2.0, 3.0, 4.0, 21.0, 22.0], 2, replace=False) + rng.uniform(0, 0.5, 2))
    return _bursts(manners, odd_hours, events=450, gap_s=0.5, activity=activity)


def _night_owl(rng: np.random.Generator, activity: float) -> Episodes:
    intrusion = Behaviour(
        origins=_hostile_origins(rng, 3),
        type_weights=(0.18, 0.04, 0.26, 0.50, 0.02),
        destinations=places.INTERNAL_HOSTS,
        threat=Threat(0.25, alarms=0.12),
        failed_auth_share=0.4,
        blocked_share=0.15,
        stray_share=0.05,
        stray_addresses=places.hostile_addresses,
        stray_locations=places.HOSTILE_LOCATIONS,
        agents=SCRIPT_AGENTS,
        programs=TOOLS,
    )
    by_night = _bursts(intrusion, 2.0 + np.sort(rng.uniform(0, 1.7, 4)), events=200, gap_s=0.9, activity=activity)
    by_day = ordinary_days(rng, 40 * activity)
    return lambda chance, day: [*by_day(chance, day), *by_night(chance, day)]


def _impossible_travel(rng: np.random.Generator, activity: float) -> Episodes:
    abroad = Behaviour(
        origins=_hostile_origins(rng, 3),
        type_weights=(0.25, 0.30, 0.25, 0.10, 0.10),
        destinations=places.INTERNAL_HOSTS,
        threat=Threat(0.5, alarms=0.15),
        failed_auth_share=0.2,
        blocked_share=0.1,
        agents=SCRIPT_AGENTS,
    )
    by_day = ordinary_days(rng, 120 * activity)
    far_away = _bursts(abroad, np.sort(rng.uniform(8, 16, 8)), events=30, gap_s=5.0, activity=activity)
    return lambda chance, day: [*by_day(chance, day), *far_away(chance, day)]


KINDS: dict[str, Callable[[np.random.Generator, float], Episodes]] = {
    "brute_force": _brute_force,
    "password_spray": _password_spray,
    "credential_stuffing": _credential_stuffing,
    "exfiltration": _exfiltration,
    "night_owl": _night_owl,
    "impossible_travel": _impossible_travel,
}
"""Attack kinds by name. A new kind is one function here: draw the account's manners once, return its days."""


def _hostile_origins(rng: np.random.Generator, count: int) -> tuple[Origin, ...]:
    locations = rng.choice(places.HOSTILE_LOCATIONS, count, replace=False).tolist()
    return tuple(Origin(a, place) for a, place in zip(places.hostile_addresses(rng, count), locations, strict=True))


def _bursts(manners: Behaviour, clock_hours: np.ndarray, *, events: int, gap_s: float, activity: float) -> Episodes:
    """At each clock hour (UTC), ``events`` × ``activity`` events with exponential gaps of mean ``gap_s``."""
    count = max(1, round(events * activity))
    mean_gap_ms = 1000 * gap_s / max(1.0, activity)

    def episodes(rng: np.random.Generator, day: date) -> list[Episode]:
        begins = midnight_ms(day) + clock_hours * HOUR_MS
        times = begins[:, None] + np.cumsum(rng.exponential(mean_gap_ms, (len(clock_hours), count)), axis=1)
        return [Episode(np.sort(times, axis=None).astype(np.int64), manners, attack=True)]

    return episodes
