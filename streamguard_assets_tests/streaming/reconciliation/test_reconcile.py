"""Live rows and windows say the same of the same offsets, or it is told which window, partition and offsets differ."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from deltalake import DeltaTable, write_deltalake
from hypothesis import given
from hypothesis import strategies as st

from streamguard_assets.lake.gaps import AcknowledgedGap
from streamguard_assets.lake.live.state import LiveState
from streamguard_assets.lake.live.table import LiveSnapshot, LiveTable
from streamguard_assets.streaming.checks import LIVE_CHECKS, every_check
from streamguard_assets.streaming.coverage import PinnedWindows, TopicsDiffer
from streamguard_assets.streaming.judging import judged_by
from streamguard_assets.streaming.reconciliation import reconcile as reconciling
from streamguard_assets.streaming.reconciliation import window_files
from streamguard_assets.streaming.reconciliation.comparison import MAX_SHOWN_OFFSETS, Fault, differences
from streamguard_assets.streaming.reconciliation.reconcile import Reconciliation, reconcile
from streamguard_assets.streaming.reconciliation.retention import remove_covered
from streamguard_assets.streaming.reconciliation.verdicts import Verdict, VerdictTable, WindowVerdict
from streamguard_assets.windows.checks import CheckScope, checks_of, committed_windows
from streamguard_assets.windows.stream import Stream
from streamguard_assets_tests.conftest import SettingsFactory
from streamguard_assets_tests.streaming.two_paths import (
    HOUR,
    START,
    TwoPaths,
    expected,
    offsets_of,
    places,
    window_of,
)

NOW = START + 100 * HOUR
LATER = NOW + HOUR
PLACE = "kafka_partition = 0 AND kafka_offset = 21"
"""An accepted event of the second window."""


def both(paths: TwoPaths, windows: int = 2) -> TwoPaths:
    """Windows, and a stream that saw all of them and the next."""
    paths.close(windows)
    paths.build(*range(windows))
    paths.stream_windows(0, windows + 1)
    return paths


def told(found: Reconciliation) -> dict[str, tuple[Verdict, str | None]]:
    return {verdict.window: (verdict.verdict, verdict.finding) for verdict in found.verdicts}


def one_row(paths: TwoPaths, asset: str) -> pl.DataFrame:
    rows = paths.events.scan() if asset == "live/events" else paths.quarantine.scan()
    return rows.head(1).collect()


def alter(paths: TwoPaths) -> None:
    paths.raw("live/events").update(updates={"quantity": "quantity + 1"}, predicate=PLACE)


def take_away(paths: TwoPaths) -> None:
    paths.raw("live/events").delete(PLACE)


def double(paths: TwoPaths) -> None:
    row = paths.events.scan().filter(pl.sql_expr(PLACE)).collect()
    write_deltalake(paths.raw("live/events"), row.to_arrow(), mode="append")


TAMPERINGS: list[tuple[Callable[[TwoPaths], None], str]] = [
    (alter, "events: 1 altered in partition 0: 21"),
    (take_away, "events: 1 missing in partition 0: 21"),
    (double, "events: 1 doubled in partition 0: 21"),
]


def alter_window(paths: TwoPaths) -> None:
    paths.raw("events").update(updates={"quantity": "quantity + 1"}, predicate=PLACE)


def take_from_window(paths: TwoPaths) -> None:
    paths.raw("events").delete(PLACE)


def take_rejected_from_window(paths: TwoPaths) -> None:
    paths.raw("quarantine").delete("kafka_partition = 0 AND kafka_offset = 24")


DAMAGES: list[tuple[Callable[[TwoPaths], None], str]] = [
    (alter_window, "events: 1 altered in partition 0: 21"),
    (take_from_window, "events: 1 extra in partition 0: 21"),
    (take_rejected_from_window, "rejected records: 1 extra in partition 0: 24"),
]
"""What other tools do to the second window itself: its live rows are the last that are good."""


def test_a_stream_that_never_ran_has_nothing_to_compare(paths: TwoPaths) -> None:
    paths.close(1)
    paths.build(0)
    found = reconcile(paths.stream, NOW)
    assert (found.live, found.verdicts, found.findings) == (None, (), [])


def test_what_both_paths_made_of_the_same_records_is_the_same(paths: TwoPaths) -> None:
    found = reconcile(both(paths).stream, NOW)
    assert told(found) == {window_of(0): (Verdict.SAME, None), window_of(1): (Verdict.SAME, None)}
    assert [verdict.rows for verdict in found.verdicts] == [len(expected([offsets_of(index)])) for index in (0, 1)]
    assert sum(verdict.rejected for verdict in found.verdicts) == len(expected(map(offsets_of, (0, 1)), rejected=True))
    stamps = paths.stream.table("events").scan().select("processing_timestamp").collect().to_series()
    assert stamps.min() != paths.events.scan().select("processing_timestamp").collect().to_series().min()


@pytest.mark.parametrize(("tamper", "text"), TAMPERINGS)
def test_one_live_row_altered_missing_or_doubled_is_found(
    paths: TwoPaths, tamper: Callable[[TwoPaths], None], text: str
) -> None:
    tamper(both(paths))
    found = told(reconcile(paths.stream, NOW))
    assert found == {window_of(0): (Verdict.SAME, None), window_of(1): (Verdict.DIFFERENT, text)}


@pytest.mark.parametrize(("tamper", "text"), TAMPERINGS)
def test_it_is_found_too_when_the_window_was_found_to_be_the_same_before(
    paths: TwoPaths, tamper: Callable[[TwoPaths], None], text: str
) -> None:
    reconcile(both(paths).stream, NOW)
    tamper(paths)
    assert told(reconcile(paths.stream, LATER))[window_of(1)] == (Verdict.DIFFERENT, text)


@pytest.mark.parametrize(("damage", "text"), DAMAGES)
def test_a_window_that_another_tool_changed_is_not_the_same_by_its_old_verdict(
    paths: TwoPaths, damage: Callable[[TwoPaths], None], text: str
) -> None:
    assert reconcile(both(paths).stream, NOW).findings == []
    damage(paths)
    found = reconcile(paths.stream, LATER)
    assert told(found) == {window_of(0): (Verdict.SAME, None), window_of(1): (Verdict.DIFFERENT, text)}
    assert found.compared == (window_of(1),), "the files of the other window are those of before"
    assert reconcile(paths.stream, LATER).compared == ()


def test_a_window_whose_files_care_wrote_anew_is_compared_once_more_and_the_same(paths: TwoPaths) -> None:
    first = reconcile(both(paths).stream, NOW)
    paths.raw("events").optimize.z_order(["category"], partition_filters=[("window", "=", window_of(0))])
    again = reconcile(paths.stream, LATER)
    assert (again.compared, again.findings) == ((window_of(0),), [])
    assert again.verdicts[1] == first.verdicts[1]
    assert reconcile(paths.stream, LATER).compared == ()


@pytest.mark.parametrize("damage", [damage for damage, _ in DAMAGES])
def test_what_another_tool_does_while_windows_are_compared_is_not_in_the_verdict_and_found_the_next_time(
    paths: TwoPaths, monkeypatch: pytest.MonkeyPatch, damage: Callable[[TwoPaths], None]
) -> None:
    """Rows and files are those of one version: a verdict on older rows must not stand for newer files."""
    both(paths)
    original = reconciling.fingerprints

    def damage_and_read(*arguments: Any) -> pl.DataFrame:
        monkeypatch.undo()
        damage(paths)
        return original(*arguments)

    monkeypatch.setattr(reconciling, "fingerprints", damage_and_read)
    assert reconcile(paths.stream, NOW).findings == []
    assert [verdict.window for verdict in reconcile(paths.stream, LATER).findings] == [window_of(1)]


@pytest.mark.parametrize("damage", [alter_window, take_from_window])
def test_what_another_tool_does_once_windows_are_pinned_is_not_in_the_verdict_and_found_the_next_time(
    paths: TwoPaths, monkeypatch: pytest.MonkeyPatch, damage: Callable[[TwoPaths], None]
) -> None:
    both(paths)
    original = reconciling.pin_windows

    def pin_and_damage(stream: Stream) -> PinnedWindows:
        found = original(stream)
        damage(paths)
        return found

    with monkeypatch.context() as patch:
        patch.setattr(reconciling, "pin_windows", pin_and_damage)
        assert reconcile(paths.stream, NOW).findings == []
    assert [verdict.window for verdict in reconcile(paths.stream, LATER).findings] == [window_of(1)]


def test_the_files_of_windows_are_looked_up_once_however_many_windows_there_are(
    paths: TwoPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    both(paths, windows=3)
    looked_at: list[str] = []
    original = window_files.file_digests

    def counted(table: DeltaTable) -> dict[str, str]:
        looked_at.append(table.table_uri.rstrip("/").rpartition("/")[2])
        return original(table)

    monkeypatch.setattr(window_files, "file_digests", counted)
    assert len(reconcile(paths.stream, NOW).compared) == 3
    assert sorted(looked_at) == ["events", "quarantine"]


def test_a_live_row_that_the_window_does_not_have_is_found(paths: TwoPaths) -> None:
    both(paths)
    paths.raw("events").delete(PLACE)
    paths.build(0)
    found = told(reconcile(paths.stream, NOW))
    assert found[window_of(1)] == (Verdict.DIFFERENT, "events: 1 extra in partition 0: 21")


def test_rejected_records_are_compared_by_their_offsets(paths: TwoPaths) -> None:
    both(paths)
    paths.raw("live/quarantine").delete("kafka_partition = 0 AND kafka_offset = 24")
    found = told(reconcile(paths.stream, NOW))
    assert found[window_of(1)] == (Verdict.DIFFERENT, "rejected records: 1 missing in partition 0: 24")


def test_a_table_of_rejected_records_that_is_gone_is_found(paths: TwoPaths) -> None:
    paths.close(1)
    paths.build(0)
    epoch = paths.events.take_over("test", paths.stream.topic, "topic-1", {0: 0, 1: 0}).epoch
    rows = paths.stream.table("events").scan().drop("window").collect()
    with paths.events.stager(START.date(), "test") as stager:
        stager.add(rows)
        files = stager.finish()

    def change(state: LiveState) -> LiveState:
        return state.followed_by("append", positions={0: 20, 1: 10})

    paths.events.commit(epoch, files, change)
    (verdict,) = reconcile(paths.stream, NOW).verdicts
    assert verdict.finding is not None
    assert "rejected records: 3 missing in partition 0: 3, 10, 17" in verdict.finding


def test_a_window_that_the_stream_saw_in_part_is_compared_in_that_part_and_again_when_it_saw_more(
    paths: TwoPaths,
) -> None:
    paths.close(2)
    paths.build(0, 1)
    epoch = paths.begin({0: 12, 1: 0})
    paths.append(epoch, {0: 30, 1: 10})
    first = reconcile(paths.stream, NOW)
    assert [(v.window, v.verdict, v.rows) for v in first.verdicts] == [
        (window_of(0), Verdict.SAME, len(expected([{0: (12, 20), 1: (0, 10)}]))),
        (window_of(1), Verdict.SAME, len(expected([{0: (20, 30)}]))),
    ]
    paths.append(epoch, {0: 40, 1: 20})
    again = reconcile(paths.stream, LATER)
    assert again.compared == (window_of(1),)
    assert again.verdicts[1].rows == len(expected([offsets_of(1)]))


def test_a_window_is_compared_once(paths: TwoPaths) -> None:
    first = reconcile(both(paths).stream, NOW)
    assert first.compared == (window_of(0), window_of(1))
    again = reconcile(TwoPaths.of(paths.settings).stream, LATER)
    assert again.compared == ()
    assert again.verdicts == first.verdicts


def test_a_window_that_was_built_again_with_other_content_is_compared_again(paths: TwoPaths) -> None:
    reconcile(both(paths).stream, NOW)
    paths.build(0, attempt="again", change=pl.col("quantity") + 1)
    found = reconcile(paths.stream, LATER)
    assert found.compared == (window_of(0),)
    assert [verdict.window for verdict in found.findings] == [window_of(0)]
    assert "altered in partition 1" in (found.findings[0].finding or "")
    stored = VerdictTable(paths.stream.location, paths.stream.name).verdicts()
    assert stored == {verdict.window: verdict for verdict in found.verdicts}


def test_only_the_first_offsets_of_a_fault_are_named(paths: TwoPaths) -> None:
    paths.close(1)
    paths.build(0)
    paths.stream_windows(0, 1)
    paths.raw("live/events").delete()
    text = told(reconcile(paths.stream, NOW))[window_of(0)][1]
    assert text is not None
    assert "17 missing in partition 0" in text
    many = pl.DataFrame(
        {"kafka_partition": [0] * 30, "kafka_offset": range(30), "content": range(30)},
        schema={"kafka_partition": pl.Int32, "kafka_offset": pl.Int64, "content": pl.UInt64},
    )
    (found,) = differences(many.clear(), many)
    assert (found.fault, found.count, found.offsets) == (Fault.MISSING, 30, tuple(range(MAX_SHOWN_OFFSETS)))
    assert str(found).endswith("19 and 10 more")


def test_offsets_that_kafka_had_deleted_before_the_stream_came_are_no_finding(paths: TwoPaths) -> None:
    paths.close(1)
    paths.build(0)
    paths.stream_windows(0, 1)
    paths.raw("live/events").delete("kafka_partition = 0 AND kafka_offset < 3")
    gap = AcknowledgedGap(window_of(0), window_of(0), 0, 0, 3, "retention", "streaming.on_retention_gap", START)
    assert reconcile(paths.stream, NOW).findings
    paths.stream.gaps.acknowledge([gap])
    assert not reconcile(paths.stream, LATER).findings, "the verdict of before rests on what was not acknowledged"
    assert reconcile(paths.stream, LATER).compared == ()


def test_live_rows_that_a_window_had_to_be_built_without_are_told_and_no_fault(paths: TwoPaths) -> None:
    paths.close(1)
    paths.build(0, lost=[(0, 0, 3)])
    paths.stream_windows(0, 1)
    found = reconcile(paths.stream, NOW)
    assert [verdict.verdict for verdict in found.verdicts] == [Verdict.MORE]
    assert "3 live rows at offsets that Kafka had deleted" in (found.verdicts[0].finding or "")
    assert found.findings == []


def test_a_window_built_anew_while_it_is_compared_has_no_verdict_until_the_next_time(
    paths: TwoPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its replaced attempt's rejected records are collected before they are compared: all would seem to be extra."""
    both(paths, windows=1)
    others = TwoPaths.of(paths.settings)
    original = reconciling.pin_windows

    def pin_and_rebuild(stream: object) -> object:
        found = original(paths.stream)
        others.build(0, attempt="again")
        table = others.stream.table("events")
        counting = {window: commit.attempt for window, commit in table.commits().items()}
        assert others.stream.quarantine.collect(counting, table.superseded(), NOW)
        monkeypatch.undo()
        return found

    monkeypatch.setattr(reconciling, "pin_windows", pin_and_rebuild)
    found = reconcile(paths.stream, NOW)
    assert (found.verdicts, found.unsettled) == ((), (window_of(0),))
    assert told(reconcile(paths.stream, LATER)) == {window_of(0): (Verdict.SAME, None)}


def judged_from(paths: TwoPaths, contract_hash: str) -> None:
    """The owner of the live rows says by which contract it goes on."""
    state = paths.events.state()
    assert state is not None
    details = judged_by(state, contract_hash)
    paths.events.commit(state.epoch, [], lambda standing: standing.followed_by("append", details=details))


def old_rows(paths: TwoPaths) -> None:
    """The stream saw window 0 and half of 1 by an older contract, the rest by today's, which gives other rows."""
    paths.close(2)
    epoch = paths.begin()
    judged_from(paths, "an older one")
    paths.append(epoch, {0: 30, 1: 15})
    judged_from(paths, paths.stream.contract.hash)
    paths.append(epoch, {0: 40, 1: 20})
    place = pl.col("kafka_offset") < pl.when(pl.col("kafka_partition") == 0).then(30).otherwise(15)
    paths.build(0, 1, change=pl.when(place).then(pl.col("quantity") + 1).otherwise(pl.col("quantity")))


def test_rejected_records_that_another_turn_of_care_removes_meanwhile_are_no_finding(
    paths: TwoPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They go between the pin of the events and that of the rejected records."""
    both(paths)
    others, original = TwoPaths.of(paths.settings), reconciling.pin_live

    def pin_and_remove(table: LiveTable) -> LiveSnapshot | None:
        found = original(table)
        monkeypatch.undo()
        removal = remove_covered(others.stream, reconcile(others.stream, LATER), LATER)
        assert removal.removed == {0: 40, 1: 20}
        return found

    monkeypatch.setattr(reconciling, "pin_live", pin_and_remove)
    found = reconcile(paths.stream, LATER, anew=True)
    assert (found.findings, found.unsettled) == ([], (window_of(0), window_of(1)))
    assert remove_covered(paths.stream, found, LATER).events.rows == 0
    assert reconcile(paths.stream, LATER).unsettled == ()


def test_where_another_contract_judged_only_the_places_are_compared(paths: TwoPaths) -> None:
    old_rows(paths)
    found = reconcile(paths.stream, NOW)
    assert told(found) == {window_of(0): (Verdict.SAME, None), window_of(1): (Verdict.SAME, None)}
    assert [verdict.rejudged for verdict in found.verdicts] == [30, 15]
    assert [verdict.rows for verdict in found.verdicts] == [0, len(expected([{0: (30, 40), 1: (15, 20)}]))]


def test_a_record_may_be_rejected_by_the_one_and_accepted_by_the_other_contract(paths: TwoPaths) -> None:
    old_rows(paths)
    first = pl.col("kafka_partition").eq(0) & pl.col("kafka_offset").eq(3)
    refused = paths.quarantine.scan().filter(first).collect()
    accepted = (
        paths.events.scan()
        .head(1)
        .collect()
        .with_columns(pl.lit(0, pl.Int32).alias("kafka_partition"), pl.lit(3, pl.Int64).alias("kafka_offset"))
    )
    write_deltalake(paths.raw("live/events"), accepted.to_arrow(), mode="append")
    assert "1 doubled in partition 0: 3" in (told(reconcile(paths.stream, NOW))[window_of(0)][1] or "")
    paths.raw("live/quarantine").delete("kafka_partition = 0 AND kafka_offset = 3")
    assert refused.height == 1
    assert reconcile(paths.stream, NOW).findings == []


@pytest.mark.parametrize(
    ("place", "text"),
    [
        (PLACE, "records judged by another contract: 1 missing in partition 0: 21"),
        ("kafka_partition = 0 AND kafka_offset = 32", "events: 1 missing in partition 0: 32"),
    ],
)
def test_what_another_contract_judged_is_still_found_to_be_missing(paths: TwoPaths, place: str, text: str) -> None:
    old_rows(paths)
    paths.raw("live/events").delete(place)
    assert told(reconcile(paths.stream, NOW))[window_of(1)] == (Verdict.DIFFERENT, text)


def test_of_another_topic_nothing_is_compared(paths: TwoPaths) -> None:
    paths.close(1)
    paths.build(0)
    paths.append(paths.begin(topic_id="topic-2"), {0: 5})
    with pytest.raises(TopicsDiffer):
        reconcile(paths.stream, NOW)


def test_by_leave_of_the_operator_another_topic_stands_beside_the_windows(
    brokerless_settings: SettingsFactory,
) -> None:
    paths = TwoPaths.of(brokerless_settings(streaming={"on_topic_recreated": "skip"}))
    paths.close(1)
    paths.build(0)
    paths.append(paths.begin(topic_id="topic-2"), {0: 5})
    before = places(paths.events.scan())

    found = reconcile(paths.stream, NOW)

    assert (found.verdicts, found.windows.apart) == ((), (window_of(0),))
    removal = remove_covered(paths.stream, found, LATER)
    assert (removal.removed, removal.kept) == ({}, ("partition 0: no complete window holds offset 0",))
    assert places(paths.events.scan()) == before


def scope(paths: TwoPaths) -> CheckScope:
    return CheckScope(paths.stream, committed_windows(paths.stream), NOW)


def test_the_check_passes_with_nothing_to_compare_when_the_stream_never_ran(paths: TwoPaths) -> None:
    paths.close(1)
    paths.build(0)
    result = LIVE_CHECKS[0].run(scope(paths))
    assert result.passed
    assert "nothing to compare" in result.facts["note"]


@pytest.mark.parametrize(("tamper", "text"), TAMPERINGS)
def test_the_check_reads_again_and_believes_no_verdict(
    paths: TwoPaths, tamper: Callable[[TwoPaths], None], text: str
) -> None:
    both(paths)
    passed = LIVE_CHECKS[0].run(scope(paths))
    assert passed.passed
    assert passed.facts["windows"] == 2
    reconcile(paths.stream, NOW)
    tamper(paths)
    result = LIVE_CHECKS[0].run(scope(paths))
    assert [(finding.window, finding.text) for finding in result.findings] == [(window_of(1), text)]


def test_the_check_finds_what_was_changed_in_the_files_behind_the_log(paths: TwoPaths) -> None:
    both(paths)
    assert reconcile(paths.stream, NOW).findings == []
    files = Path(paths.events.uri).rglob("part-*.parquet")
    (file,) = [path for path in files if pl.read_parquet(path)["kafka_offset"].min() == 0]
    pl.read_parquet(file, hive_partitioning=False).with_columns(pl.col("quantity") + 1).write_parquet(file)
    (finding,) = LIVE_CHECKS[0].run(scope(paths)).findings
    assert finding.window == window_of(0)
    assert "altered" in finding.text


def test_the_check_tells_that_topics_differ(paths: TwoPaths) -> None:
    paths.close(1)
    paths.build(0)
    paths.append(paths.begin(topic_id="topic-2"), {0: 5})
    (finding,) = LIVE_CHECKS[0].run(scope(paths)).findings
    assert finding.window is None
    assert "topic-2" in finding.text


def test_every_check_is_that_of_windows_and_of_live_tables(paths: TwoPaths) -> None:
    names = [check.name for check in every_check(paths.stream.graph)]
    assert names == [*(check.name for check in checks_of(paths.stream.graph)), "live_reconciliation"]
    assert all(check.must_hold and check.description for check in LIVE_CHECKS)


def test_of_two_that_compare_at_once_the_newest_verdict_stays(paths: TwoPaths) -> None:
    table = VerdictTable(paths.stream.location, paths.stream.name)
    old = WindowVerdict(window_of(0), "1:0", 1, 1, 0, 0, Verdict.DIFFERENT, "x", NOW, "a")
    new = WindowVerdict(window_of(0), "1:0", 1, 1, 0, 0, Verdict.SAME, None, NOW + timedelta(seconds=1), "b")
    other = WindowVerdict(window_of(1), "1:0", 1, 1, 0, 0, Verdict.SAME, None, NOW, "c")
    table.store([new, other])
    table.store([old])
    assert table.verdicts() == {window_of(0): new, window_of(1): other}


ROWS = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 5), st.integers(0, 2)), max_size=12)


@given(live=ROWS, window=ROWS)
def test_rows_agree_exactly_when_no_difference_is_told(
    live: list[tuple[int, int, int]], window: list[tuple[int, int, int]]
) -> None:
    schema = {"kafka_partition": pl.Int32, "kafka_offset": pl.Int64, "content": pl.UInt64}
    found = differences(*(pl.DataFrame(rows, schema=schema, orient="row") for rows in (live, window)))
    once = len({row[:2] for row in live}) == len(live)
    assert (not found) == (once and sorted(live) == sorted(window))
    assert sum(each.count for each in found) <= len({row[:2] for row in (*live, *window)})
