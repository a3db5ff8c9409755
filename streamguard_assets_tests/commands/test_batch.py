"""``streamguard batch`` from the request to the page, with and without somebody who takes batches from the queue."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from streamguard_assets.settings import ENV_PREFIX
from streamguard_assets_tests.batches.rig import transactions
from streamguard_assets_tests.commands.conftest import Site
from streamguard_assets_tests.conftest import TopicFactory

pytestmark = [pytest.mark.broker]


class BatchSite(Site):
    """A stream of transactions; its own topic stands for the topic of batches."""

    @property
    def variables(self) -> dict[str, str]:
        of_streams = f"{ENV_PREFIX}STREAMS__TRANSACTIONS__"
        return {**super().variables, f"{of_streams}TOPIC": self.topic, f"{ENV_PREFIX}STREAMS__SECURITY__TOPIC": "other"}


@pytest.fixture
def shop(broker, fresh_topic: TopicFactory, tmp_path: Path) -> BatchSite:
    """A topic with 30 transactions and one record that is none."""
    site = BatchSite(tmp_path / "state", fresh_topic(1), broker.bootstrap_servers)
    file = tmp_path / "lines.ndjson"
    file.write_bytes(b"\n".join([*transactions(30), b"{bad"]) + b"\n")
    assert site.run("produce", str(file), "--stream", "transactions").status == 0
    return site


def completed(shop: BatchSite, *more: str) -> str:
    answer = shop.run("batch", "run", "--topic", shop.topic, "--here", "--json", *more)
    assert answer.status == 0, answer.stderr
    return answer.document["batchId"]


def test_a_batch_here_is_followed_by_its_state_and_its_pages(shop: BatchSite) -> None:
    batch_id = completed(shop)
    told = shop.run("batch", "status", batch_id, "--json").document
    assert (told["status"], told["rowCount"], told["rejectedCount"]) == ("COMPLETED", 30, 1)
    assert Path(told["deltaRawPath"]).is_dir()
    page = shop.run("batch", "data", batch_id, "--limit", "4", "--offset", "28", "--json").document
    assert page["page"] == {"limit": 4, "offset": 28, "returned": 2, "hasMore": False}
    assert [row["transaction_id"] for row in page["data"]] == ["t-28", "t-29"]
    result = shop.run("batch", "data", batch_id, "--analysis", "revenue_by_category", "--json").document
    assert sum(row["transaction_count"] for row in result["data"]) == 30
    table = batch_id.replace("-", "_")
    asked = shop.run("sql", f"select count(*) as n from transactions.{table}_raw where category = 'books'", "--json")
    assert asked.document == [{"n": 10}]
    (listed,) = shop.run("batch", "list", "--json").document
    assert listed == told


def test_without_a_daemon_the_batch_waits_and_the_person_is_told(shop: BatchSite) -> None:
    answer = shop.run("batch", "run", "--topic", shop.topic, "--analysis", "none", "--json")
    assert answer.status == 0
    assert answer.document["status"] == "PENDING"
    assert "streamguard up" in answer.stderr
    batch_id = answer.document["batchId"]
    refused = shop.run("batch", "data", batch_id)
    assert (refused.status, "PENDING" in refused.stderr) == (1, True)
    cancelled = shop.run("batch", "cancel", batch_id, "--json")
    assert (cancelled.status, cancelled.document["status"]) == (0, "FAILED")
    assert cancelled.document["errorMessage"] == "cancelled"
    waited = shop.run("batch", "wait", batch_id)
    assert (waited.status, "cancelled" in waited.stderr) == (1, True)
    again = shop.run("batch", "cancel", batch_id)
    assert (again.status, "FAILED already" in again.stderr) == (1, True)
    assert [row["status"] for row in shop.run("batch", "list", "--status", "FAILED", "--json").document] == ["FAILED"]
    assert shop.run("batch", "list", "--status", "COMPLETED", "--json").document == []


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--start", '{"0": 99}'], "partition 0 has the offsets 0 to 31"),
        (["--start", '{"0": 9}', "--end", '{"0": 8}'], "would start at 9"),
        (["--start", '{"3": 0}'], "has the partitions 0 to 0, and not 3"),
        (["--start", "latest"], "neither earliest nor offsets"),
        (["--analysis", "reveneu"], "valid here: revenue_by_category"),
        (["--stream", "securty"], "there is no stream 'securty'"),
    ],
)
def test_what_cannot_be_a_batch_is_refused_and_nothing_is_created(
    shop: BatchSite, arguments: list[str], told: str
) -> None:
    answer = shop.run("batch", "run", "--topic", shop.topic, *arguments)
    assert answer.status in (2, 3)
    assert told in answer.stderr
    assert shop.run("batch", "list", "--json").document == []


def test_a_topic_that_is_not_there_is_refused(shop: BatchSite) -> None:
    answer = replace(shop).run("batch", "run", "--topic", shop.topic[:-1], "--analysis", "none")
    assert answer.status == 2
    assert shop.topic in answer.stderr


def test_a_page_is_not_larger_than_the_setting_allows(shop: BatchSite) -> None:
    batch_id = completed(shop, "--analysis", "none")
    answer = shop.run("batch", "data", batch_id, "--limit", "10001")
    assert (answer.status, "at most 10000" in answer.stderr) == (2, True)


@pytest.mark.parametrize("command", ["status", "data", "cancel", "wait"])
def test_an_id_of_nobody_is_told_so(shop: BatchSite, command: str) -> None:
    answer = shop.run("batch", command, "batch-20260131-0a1b2c3d")
    assert (answer.status, "there is no batch" in answer.stderr) == (1, True)
    assert shop.run("batch", command, "../etc").status == 1
