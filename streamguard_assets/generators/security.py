"""Security events of a simulated company: a day with planted attackers, and the same company going on for ever."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec

from streamguard_assets.generators.accounts import HOUR_MS, Account, stream_of_chance
from streamguard_assets.generators.attackers import DEFAULT_ATTACKERS, attacker_accounts
from streamguard_assets.generators.behaviour import Episode, perform
from streamguard_assets.generators.event import GeneratedEvent
from streamguard_assets.generators.habits import normal_users

DEFAULT_USERS = 60

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

A_WEDNESDAY = datetime(2026, 1, 28, tzinfo=UTC)
"""A working day for everyone but those whose free days are in the middle of the week."""

REACH = timedelta(days=1)
"""An account's day may reach this far out of the UTC date of the same name: time zones and night shifts."""


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
    span_hours: float = 1.0,
) -> Iterator[GeneratedEvent]:
    """The same company from ``start`` on, without end, in order of time, attacks included.

    With the arguments of a generated day and its end as ``start``, it continues that day. The pace is the caller's:
    wait for each event's time to replay it live, or take events as fast as wanted. Events are made ``span_hours`` at
    a time: longer spans make many hours sooner, and the first event of all later. They are the same events.
    """
    company = _company(seed, users, attackers, activity)
    begin_ms = _epoch_ms(start)
    while True:
        end_ms = begin_ms + round(span_hours * HOUR_MS)
        found, _ = _span(seed, company, begin_ms, end_ms)
        yield from found
        begin_ms = end_ms


def attacks_within(
    seed: int,
    start: datetime,
    end: datetime,
    users: int = DEFAULT_USERS,
    attackers: Sequence[str] = DEFAULT_ATTACKERS,
    activity: float = 1.0,
) -> dict[str, str]:
    """The ``truth`` of the events of ``[start, end)``, by the plans of the attackers: no event is made."""
    begin_ms, end_ms = _epoch_ms(start), _epoch_ms(end)
    return {
        account.user: account.kind
        for account in attacker_accounts(seed, attackers, users, activity)
        for day in _dates(begin_ms, end_ms)
        for episode in _plan(seed, account, day)
        if episode.attack and account.kind is not None and _reaches_into(episode, begin_ms, end_ms)
    }


def activity_for(
    rate_per_s: float,
    seed: int,
    users: int = DEFAULT_USERS,
    attackers: Sequence[str] = DEFAULT_ATTACKERS,
) -> float:
    """The ``activity`` with which this company makes ``rate_per_s`` events per second in the mean of a working day.

    Found from one such day at activity 1, so it is right within some percent, and takes about a second.
    ``ValueError`` when nobody is there to be more active.
    """
    made = len(generate_security_day(seed, A_WEDNESDAY, 24.0, users, attackers).events)
    if not made:
        raise ValueError("a company without users and attackers makes no events at any rate")
    return rate_per_s * 24 * 3600 / made


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
    for number, episode in enumerate(_plan(seed, account, day)):
        if not _reaches_into(episode, begin_ms, end_ms):
            continue
        if episode.attack and account.kind is not None:
            truth[account.user] = account.kind
        # A stream per episode: one that is skipped because it lies outside must not move the draws of the next.
        rng = stream_of_chance(seed, "acts", account.user, day.isoformat(), str(number))
        for i, fields in perform(rng, episode.behaviour, episode.times_ms, begin_ms, end_ms):
            event_id = f"{seed}-{day:%Y%m%d}-{account.user}-{number}-{i}"
            yield _encode(event_id, account.user, fields)


def _plan(seed: int, account: Account, day: date) -> Sequence[Episode]:
    return account.episodes(stream_of_chance(seed, "plan", account.user, day.isoformat()), day)


def _reaches_into(episode: Episode, begin_ms: int, end_ms: int) -> bool:
    return bool(((episode.times_ms >= begin_ms) & (episode.times_ms < end_ms)).any())


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
