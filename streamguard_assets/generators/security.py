"""Security events of a simulated company: a day with planted attackers, and the same company going on for ever."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from streamguard_assets.generators.accounts import HOUR_MS, Account, stream_of_chance
from streamguard_assets.generators.attackers import DEFAULT_ATTACKERS, attacker_accounts
from streamguard_assets.generators.behaviour import perform
from streamguard_assets.generators.habits import normal_users

DEFAULT_USERS = 60

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

REACH = timedelta(days=1)
"""An account's day may reach this far out of the UTC date of the same name: time zones and night shifts."""


class GeneratedEvent(NamedTuple):
    """An event as a producer sends it: its time (epoch ms), the record key (the user) and the JSON value."""

    timestamp_ms: int
    key: str
    value: bytes


@dataclass(frozen=True)
class GeneratedDay:
    """Events in order of time, and who among their users is an attacker of which kind."""

    events: list[GeneratedEvent]
    truth: dict[str, str]


def generate_security_day(
    seed: int,
    start: datetime,
    hours: float = 24.0,
    users: int = DEFAULT_USERS,
    attackers: Sequence[str] = DEFAULT_ATTACKERS,
    activity: float = 1.0,
) -> GeneratedDay:
    """Events of ``[start, start + hours)``: about 30,000 for a working day of 60 users.

    The same arguments give the same bytes, and neighbouring spans of one seed fit together: an event at an instant
    does not depend on where the span begins. ``activity`` scales everyone's volume. ``truth`` names the attackers
    whose attack falls into the span; with 24 hours or more that is all of them.
    Raises ValueError for a start without a time zone and for an unknown kind of attacker.
    """
    begin_ms = _epoch_ms(start)
    company = _company(seed, users, attackers, activity)
    found, truth = _span(seed, company, begin_ms, begin_ms + round(hours * HOUR_MS))
    return GeneratedDay(found, truth)


def trickle(
    seed: int,
    start: datetime,
    users: int = DEFAULT_USERS,
    attackers: Sequence[str] = DEFAULT_ATTACKERS,
    activity: float = 1.0,
) -> Iterator[GeneratedEvent]:
    """The same company from ``start`` on, without end, in order of time, attacks included.

    With the arguments of a generated day and its end as ``start``, it continues that day. The pace is the caller's:
    wait for each event's time to replay it live, or take events as fast as wanted.
    """
    company = _company(seed, users, attackers, activity)
    begin_ms = _epoch_ms(start)
    while True:
        found, _ = _span(seed, company, begin_ms, begin_ms + HOUR_MS)
        yield from found
        begin_ms += HOUR_MS


def _company(seed: int, users: int, attackers: Sequence[str], activity: float) -> list[Account]:
    if seed < 0 or users < 0 or activity <= 0:
        raise ValueError(f"seed {seed} and users {users} must not be negative, activity {activity} must be positive")
    return normal_users(seed, users, activity) + attacker_accounts(seed, attackers, users, activity)


def _span(
    seed: int, company: Sequence[Account], begin_ms: int, end_ms: int
) -> tuple[list[GeneratedEvent], dict[str, str]]:
    """Everyone's events inside ``[begin_ms, end_ms)``, sorted, and the attackers who attacked there."""
    truth: dict[str, str] = {}
    events: list[GeneratedEvent] = []
    for account in company:
        for day in _dates(begin_ms, end_ms):
            events += _account_day(seed, account, day, begin_ms, end_ms, truth)
    events.sort()
    return events, truth


def _account_day(
    seed: int, account: Account, day: date, begin_ms: int, end_ms: int, truth: dict[str, str]
) -> Iterator[GeneratedEvent]:
    plan = account.episodes(stream_of_chance(seed, "plan", account.user, day.isoformat()), day)
    for number, episode in enumerate(plan):
        if not ((episode.times_ms >= begin_ms) & (episode.times_ms < end_ms)).any():
            continue
        if episode.attack and account.kind is not None:
            truth[account.user] = account.kind
        # A stream per episode: one that is skipped because it lies outside must not move the draws of the next.
        rng = stream_of_chance(seed, "acts", account.user, day.isoformat(), str(number))
        for i, fields in perform(rng, episode.behaviour, episode.times_ms, begin_ms, end_ms):
            event_id = f"{seed}-{day:%Y%m%d}-{account.user}-{number}-{i}"
            yield _encode(event_id, account.user, fields)


def _encode(event_id: str, user: str, fields: dict[str, Any]) -> GeneratedEvent:
    value = msgspec.json.encode({"event_id": event_id, "user": user, **fields})
    return GeneratedEvent(fields["timestamp"], user, value)


def _dates(begin_ms: int, end_ms: int) -> list[date]:
    """Calendar dates whose events may fall into the span."""
    first = (EPOCH + timedelta(milliseconds=begin_ms)).date() - REACH
    last = (EPOCH + timedelta(milliseconds=end_ms)).date() + REACH
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def _epoch_ms(instant: datetime) -> int:
    if instant.tzinfo is None:
        raise ValueError(f"{instant.isoformat()} has no time zone; use for example datetime(2026, 1, 31, tzinfo=UTC)")
    return (instant - EPOCH) // timedelta(milliseconds=1)
