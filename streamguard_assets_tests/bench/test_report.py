"""Reports name the peer or the limit beside every figure."""

import json

import pytest
from rich.console import Console

from streamguard_assets.bench.harness import Case, Figure, Limit, Result, Spread
from streamguard_assets.bench.report import report_json, report_table


def spread(*samples: float) -> Spread:
    return Spread(samples)


@pytest.fixture
def against_peer() -> Result:
    ours, peer = Figure("whole ingest", "events/s", lambda: 0.0), Figure("bare consumer", "events/s", lambda: 0.0)
    case = Case("ingest", "500,000 events", ours, peer, "at_least", 0.4)
    return Result(case, spread(300_000, 310_000), spread(600_000, 620_000), spread(0.5, 0.5))


@pytest.fixture
def against_limit() -> Result:
    case = Case(
        "features",
        "1,000,000 events",
        Figure("28 features", "s", lambda: 0.0),
        Limit("1 s", 1.0),
        "at_most",
        1.0,
        beside=(Figure("memory", "bytes", lambda: 0.0),),
    )
    return Result(case, spread(1.5, 2.0), spread(1.0, 1.0), spread(1.5, 2.0), {"memory": spread(2.5e9, 3e9)})


def text_of(*results: Result) -> str:
    console = Console(width=200, force_terminal=False)
    with console.capture() as printed:
        console.print(report_table(results))
    return printed.get()


def test_the_table_names_the_peer_and_the_target(against_peer: Result) -> None:
    text = text_of(against_peer)

    assert "peer: bare consumer" in text
    assert "≥ 0.4" in text
    assert "yes" in text


def test_the_table_names_the_limit_and_says_what_was_missed(against_limit: Result) -> None:
    text = text_of(against_limit)

    assert "limit: 1 s" in text
    assert "2.50 GB" in text
    assert "no" in text.split("≤ 1")[1]


def test_the_json_is_plain_and_keeps_the_samples(against_peer: Result, against_limit: Result) -> None:
    document = json.loads(json.dumps(report_json([against_peer, against_limit])))

    peer, limit = document["results"]
    assert peer["peer"]["name"] == "bare consumer"
    assert peer["target"] == {"at_least": 0.4}
    assert peer["subject"]["samples"] == [300_000, 310_000]
    assert limit["limit"]["median"] == 1.0
    assert limit["met"] is False
    assert limit["beside"][0]["name"] == "memory"
    assert document["machine"]["cores"] >= 1
