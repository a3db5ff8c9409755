"""A request becomes a batch whose offsets are decided, or is refused with what would be valid."""

from __future__ import annotations

import pytest

from streamguard_assets.analytics.analyses.registry import ANALYSES
from streamguard_assets.batches.errors import BatchRefused
from streamguard_assets.batches.pinning import chosen_names, owning_stream, pin, pinned_range
from streamguard_assets.batches.request import BatchRequest, End, Start
from streamguard_assets.kafka.topics import topic_id
from streamguard_assets.settings import Settings
from streamguard_assets_tests.batches.rig import NOW, BatchRig, transactions
from streamguard_assets_tests.conftest import SettingsFactory

LOW, HIGH = {0: 10, 1: 0}, {0: 100, 1: 50}


@pytest.fixture
def known(brokerless_settings: SettingsFactory) -> Settings:
    """The built-in streams."""
    return brokerless_settings()


class TestOffsets:
    def test_words_are_the_ends_of_the_log_at_this_moment(self):
        pinned = pinned_range(BatchRequest("t"), LOW, HIGH)
        assert (dict(pinned.starts), dict(pinned.ends)) == (LOW, HIGH)

    def test_maps_are_taken_as_they_are(self):
        pinned = pinned_range(BatchRequest("t", {0: 20, 1: 0}, {0: 30, 1: 0}), LOW, HIGH)
        assert (dict(pinned.starts), dict(pinned.ends)) == ({0: 20, 1: 0}, {0: 30, 1: 0})

    @pytest.mark.parametrize(
        ("start", "end", "told"),
        [
            ({0: 9, 1: 0}, "latest", r"partition 0 has the offsets 10 to 100, and not start 9"),
            ({0: 10, 1: 51}, "latest", r"partition 1 has the offsets 0 to 50, and not start 51"),
            ("earliest", {0: 101, 1: 50}, r"partition 0 has the offsets 10 to 100, and not end 101"),
            ({0: 60, 1: 0}, {0: 59, 1: 0}, r"partition 0 would start at 60 and end before it, at 59"),
            ({0: 1, 1: 2}, {0: 200, 1: 1}, r"not start 1 and end 200; partition 1 would start at 2"),
        ],
    )
    def test_offsets_that_are_not_there_are_refused_with_those_that_are(self, start: Start, end: End, told: str):
        with pytest.raises(BatchRefused, match=told):
            pinned_range(BatchRequest("t", start, end), LOW, HIGH)

    def test_a_log_that_is_one_open_transaction_is_an_empty_range(self):
        assert pinned_range(BatchRequest("t"), {0: 5}, {0: 3}).is_empty


class TestStream:
    def test_a_topic_belongs_to_the_stream_that_names_it(self, known: Settings):
        assert owning_stream(known, "transactions-stream", None) == "transactions"
        assert owning_stream(known, "transactions-batch", None) == "transactions"
        assert owning_stream(known, "security-events", None) == "security"

    def test_a_topic_of_nobody_needs_a_stream(self, known: Settings):
        with pytest.raises(BatchRefused, match=r"belongs to no stream.*--stream.*transactions-batch"):
            owning_stream(known, "mine", None)
        assert owning_stream(known, "mine", "transactions") == "transactions"

    def test_a_topic_of_another_contract_is_refused(self, known: Settings):
        with pytest.raises(BatchRefused, match="whose contract is security"):
            owning_stream(known, "security-events", "transactions")


class TestAnalyses:
    def test_a_full_report_is_all_of_them(self, known: Settings):
        assert chosen_names(known, "transactions", "full_report") == tuple(ANALYSES)
        assert chosen_names(known, "transactions", "fraud_analysis") == ("fraud_analysis",)
        assert chosen_names(known, "transactions", "none") == chosen_names(known, "security", "none") == ()

    def test_an_unknown_one_is_refused_with_the_known_ones(self, known: Settings):
        with pytest.raises(BatchRefused, match=r"'reveneu'; valid here: revenue_by_category.*full_report, none"):
            chosen_names(known, "transactions", "reveneu")

    @pytest.mark.parametrize("name", ["full_report", "revenue_by_category"])
    def test_a_contract_that_lacks_the_columns_has_only_raw_rows(self, known: Settings, name: str):
        with pytest.raises(BatchRefused, match="valid here: none"):
            chosen_names(known, "security", name)


@pytest.mark.broker
class TestAgainstTheCluster:
    def test_latest_is_pinned_at_submission(self, rig: BatchRig):
        rig.produce(transactions(5))
        batch = rig.pin()
        rig.produce(transactions(5))
        assert batch.range.to_json()["offsets"] == {"0": [0, 5], "1": [0, 0]}
        assert (batch.asked_start, batch.asked_end) == ("earliest", "latest")
        assert batch.topic_id == topic_id(rig.stream.connection, rig.topic)
        assert batch.submitted_at == NOW

    def test_a_map_limits_the_batch_to_its_partitions(self, rig: BatchRig):
        rig.produce(transactions(5))
        rig.produce(transactions(5), partition=1)
        batch = rig.pin(start={1: 2})
        assert batch.range.to_json()["offsets"] == {"1": [2, 5]}

    def test_an_unknown_topic_is_refused_with_near_names(self, rig: BatchRig):
        asked = BatchRequest(rig.topic[:-1], analysis="none")
        with pytest.raises(BatchRefused, match=rf"there is no topic .*near names: .*{rig.topic}"):
            pin(rig.settings, rig.stream.connection, asked, NOW)

    @pytest.mark.parametrize(
        ("start", "end", "told"),
        [
            ({7: 0}, "latest", "has the partitions 0 to 1, and not 7"),
            ({0: 0}, {1: 0}, "must name the same partitions; only one of them names 0, 1"),
        ],
    )
    def test_partitions_that_are_not_there_or_named_once_are_refused(
        self, rig: BatchRig, start: Start, end: End, told: str
    ):
        with pytest.raises(BatchRefused, match=told):
            rig.pin(start, end)
