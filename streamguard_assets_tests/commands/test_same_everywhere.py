"""The same transactions as a seeded table, through windows and as a batch: every analysis says the same of them."""

from __future__ import annotations

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from streamguard_assets.analytics.analyses.registry import ANALYSES
from streamguard_assets.settings import ENV_PREFIX
from streamguard_assets_tests.commands.conftest import Site

pytestmark = [pytest.mark.broker]

DAYS = ("2026-01-30", "2026-01-31")


def done(site: Site, *arguments: str) -> object:
    answer = site.run(*arguments, "--json")
    assert answer.status == 0, answer.stderr
    return answer.document


def test_a_seeded_table_its_windows_and_a_batch_of_it_give_equal_results(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = f"{site.topic}-sales"
    monkeypatch.setenv(f"{ENV_PREFIX}STREAMS__TRANSACTIONS__TOPIC", topic)
    monkeypatch.setenv(f"{ENV_PREFIX}STREAMS__TRANSACTIONS__WINDOW_MINUTES", "1440")
    small = ("--rows", "2500", "--days", str(len(DAYS)), "--until", "2026-02-01", "--customers", "200")
    done(site, "seed", "transactions", *small, "--kafka", "--topic", topic)
    done(site, "materialize", "transactions", "--from", DAYS[0], "--to", "2026-02-01")
    batch = done(site, "batch", "run", "--topic", topic, "--analysis", "full_report", "--here")
    assert isinstance(batch, dict)
    assert (batch["status"], batch["rowCount"]) == ("COMPLETED", 2500)

    lake = site.state / "lake"
    seeded = pl.read_delta(str(lake / "seed" / "transactions"))
    for name, analysis in ANALYSES.items():
        expected = analysis(seeded)
        assert expected.height > 0
        assert_frame_equal(pl.read_delta(str(lake / "transactions" / "rollups" / f"{name}_all")), expected)
        in_batch = lake / "transactions" / "batches" / batch["batchId"] / "aggregated" / name
        assert_frame_equal(pl.read_delta(str(in_batch)), expected)
        windows = pl.read_delta(str(lake / "transactions" / "analyses" / name))
        for day in DAYS:
            of_day = seeded.filter(pl.col("event_date") == pl.lit(day).str.to_date())
            in_window = windows.filter(pl.col("window") == f"{day}-00:00").drop("window")
            assert_frame_equal(in_window, analysis(of_day))
