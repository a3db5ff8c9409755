"""Normal users and their habits: who works where, when, from which addresses, and how much.

Roles, by share of the population: office staff, people on late or night shifts, travellers, administrators, and
service accounts, which are awake day and night and busier than anyone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial

import numpy as np

from streamguard_assets.generators import places
from streamguard_assets.generators.accounts import DAY_MS, HOUR_MS, Account, Episodes, midnight_ms, stream_of_chance
from streamguard_assets.generators.behaviour import Behaviour, Episode, Origin, Threat
from streamguard_assets.generators.names import person_name

ROLE_SHARES = {"office": 0.58, "shift": 0.12, "traveller": 0.10, "admin": 0.08, "service": 0.12}

SERVICES = ("backup", "build", "deploy", "inventory", "mailer", "metrics", "monitor", "patching", "reports", "sync")


@dataclass(frozen=True)
class WorkingHours:
    """A person's working day in local time. ``weekend_share`` is the volume of a free day against a working day."""

    utc_offset_hours: float
    begins_hour: float
    length_hours: float
    free_weekdays: frozenset[int]
    weekend_share: float
    events_per_day: float
    actions_pace_s: float


def normal_users(seed: int, count: int, activity: float) -> list[Account]:
    """``count`` users with habits of their own; ``activity`` scales how many events each makes."""
    roles = _roles(count)
    return [_normal_user(seed, index, role, activity) for index, role in enumerate(roles)]


def _roles(count: int) -> list[str]:
    """Roles by share, interleaved, so that the first n users of a larger population are a fair sample of it."""
    given = dict.fromkeys(ROLE_SHARES, 0)
    roles = []
    for n in range(1, count + 1):
        role = max(ROLE_SHARES, key=lambda r: ROLE_SHARES[r] * n - given[r])
        given[role] += 1
        roles.append(role)
    return roles


def _normal_user(seed: int, index: int, role: str, activity: float) -> Account:
    rng = stream_of_chance(seed, "habits", role, str(index))
    if role == "service":
        return _service(rng, f"svc-{SERVICES[index % len(SERVICES)]}-{index:02d}", activity)
    events_per_day = activity * (600 if role == "admin" else 330)
    return Account(person_name(seed, index), None, ordinary_days(rng, events_per_day, role))


def ordinary_days(rng: np.random.Generator, events_per_day: float, role: str = "office") -> Episodes:
    """The days of a person with habits drawn from ``rng``."""
    office = places.OFFICES[rng.choice(len(places.OFFICES), p=[o.staff_share for o in places.OFFICES])]
    begins = rng.choice([14.0, 22.0]) if role == "shift" else rng.normal(8.7, 0.7)
    hours = WorkingHours(
        utc_offset_hours=office.utc_offset_hours,
        begins_hour=float(begins),
        length_hours=float(rng.uniform(7.5, 9.5)),
        free_weekdays=_free_weekdays(rng, role),
        weekend_share=float(rng.uniform(0.25, 0.5)),
        events_per_day=events_per_day * float(rng.lognormal(0, 0.35)),
        actions_pace_s=float(rng.uniform(0.6, 3.0)),
    )
    return partial(_working_day, hours, _manners(rng, role, office))


def _free_weekdays(rng: np.random.Generator, role: str) -> frozenset[int]:
    """Saturday and Sunday, but for shift workers and administrators on call any two neighbouring days."""
    first = int(rng.integers(0, 7)) if role in ("shift", "admin") else 5
    return frozenset({first, (first + 1) % 7})


def _manners(rng: np.random.Generator, role: str, office: places.Office) -> Behaviour:
    desk = Origin(places.office_address(rng, office), office.location, float(rng.uniform(0.4, 0.8)))
    homes = [Origin(places.home_address(rng), office.location, 0.3) for _ in range(rng.integers(1, 3))]
    trips = [
        Origin(places.mobile_addresses(rng, 1)[0], str(rng.choice(places.TRAVEL_LOCATIONS)), 0.15)
        for _ in range(rng.integers(1, 3) if role == "traveller" else 0)
    ]
    base = (0.10, 0.34, 0.20, 0.10, 0.26) if role != "admin" else (0.16, 0.28, 0.18, 0.22, 0.16)
    hosts = rng.choice(places.INTERNAL_HOSTS + places.EXTERNAL_HOSTS, int(rng.integers(14, 32)), replace=False)
    return Behaviour(
        origins=(desk, *homes, *trips),
        type_weights=_around(rng, base),
        destinations=tuple(map(str, hosts)),
        threat=_suspicion(rng, role),
        failed_auth_share=float(rng.beta(2, 30)),
        blocked_share=float(rng.uniform(0.002, 0.02)),
        bytes_median=float(rng.lognormal(np.log(20_000), 0.5)),
        stray_share=float(rng.choice([0.0, 0.002, 0.008])) if role != "traveller" else 0.015,
        agents=(str(rng.choice(places.AGENTS)),),
    )


def _suspicion(rng: np.random.Generator, role: str) -> Threat:
    """What sensors make of normal work: little, but for administrators, whose tools are an intruder's tools."""
    if role == "admin":
        return Threat(float(rng.uniform(0.2, 0.4)), concentration=12, alarms=float(rng.uniform(0.01, 0.05)))
    return Threat(float(rng.uniform(0.05, 0.2)), concentration=12, alarms=float(rng.uniform(0.0, 0.006)))


def _around(
    rng: np.random.Generator, weights: Sequence[float], spread: float = 60.0
) -> tuple[float, float, float, float, float]:
    """Weights near the given ones: nobody's mix of work is quite the average."""
    a, b, c, d, e = rng.dirichlet(np.asarray(weights) * spread).tolist()
    return a, b, c, d, e


def _working_day(hours: WorkingHours, manners: Behaviour, rng: np.random.Generator, day: date) -> list[Episode]:
    """A local day: actions inside working hours with a dip at lunch, a few outside, all in little flurries."""
    free = day.weekday() in hours.free_weekdays
    mean = hours.events_per_day * (hours.weekend_share if free else 1.0) * rng.lognormal(0.0, 0.15)
    actions = max(1, int(rng.poisson(mean / 3)))
    begins, length = hours.begins_hour + rng.normal(0, 0.3), hours.length_hours + rng.normal(0, 0.3)
    at_work = begins + length * rng.random(actions)
    lunch = begins + length * 0.5
    dips = (np.abs(at_work - lunch) < 0.5) & (rng.random(actions) < 0.7)
    at_work[dips] = begins + length * rng.random(int(dips.sum()))
    leisure = rng.random(actions) < (0.9 if free else 0.08)
    waking = hours.begins_hour - 1.5
    at_work[leisure] = waking + 15.0 * rng.random(int(leisure.sum()))
    moments = midnight_ms(day, hours.utc_offset_hours) + at_work * HOUR_MS
    return [Episode(_flurries(rng, moments, hours.actions_pace_s), manners)]


def _flurries(rng: np.random.Generator, moments_ms: np.ndarray, pace_s: float) -> np.ndarray:
    """Each action makes one to several events close together, as opening a page or a project does."""
    sizes = rng.geometric(1 / 3, len(moments_ms))
    gaps = rng.exponential(pace_s * 1000, int(sizes.sum()))
    ends = np.cumsum(sizes)
    since_begin = np.cumsum(gaps) - np.repeat(np.cumsum(gaps)[ends - sizes], sizes)
    return np.sort(np.repeat(moments_ms, sizes) + since_begin).astype(np.int64)


def _service(rng: np.random.Generator, user: str, activity: float) -> Account:
    """A machine: one address, few destinations, a steady beat all day, and one nightly batch."""
    hosts = rng.choice(places.INTERNAL_HOSTS, int(rng.integers(4, 12)), replace=False)
    manners = Behaviour(
        origins=(Origin(f"10.0.9.{rng.integers(1, 255)}", "DE-Berlin"),),
        type_weights=_around(rng, (0.08, 0.36, 0.18, 0.20, 0.18)),
        destinations=tuple(map(str, hosts)),
        threat=Threat(float(rng.uniform(0.03, 0.12)), alarms=float(rng.uniform(0.0, 0.003))),
        failed_auth_share=float(rng.uniform(0.0, 0.04)),
        blocked_share=float(rng.uniform(0.0, 0.01)),
        bytes_median=float(rng.lognormal(np.log(60_000), 0.6)),
        agents=("python-requests/2.32",),
        programs=("python", "rsync", "cron", "bash"),
    )
    beat_ms = DAY_MS / (activity * float(rng.lognormal(np.log(1_150), 0.25)))
    batch_hour = float(rng.uniform(0, 5))
    return Account(user, None, partial(_service_day, manners, beat_ms, batch_hour))


def _service_day(
    manners: Behaviour, beat_ms: float, batch_hour: float, rng: np.random.Generator, day: date
) -> list[Episode]:
    beats = np.arange(0, DAY_MS, beat_ms)
    steady = beats + rng.normal(0, beat_ms * 0.05, len(beats))
    batch = batch_hour * HOUR_MS + np.cumsum(rng.exponential(2_000, len(beats) // 10))
    times = midnight_ms(day) + np.sort(np.concatenate([steady, batch]))
    return [Episode(times.astype(np.int64), manners)]
