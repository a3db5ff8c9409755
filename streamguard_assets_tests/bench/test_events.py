"""The bench measures on events that are what the stream's are: same columns, every record accepted."""

from streamguard_assets.bench.events import event_frame, event_values
from streamguard_assets.contracts.registry import contract
from streamguard_assets.contracts.verdict import Rejection
from streamguard_assets.contracts.windows import window_start
from streamguard_assets.lake.schema import polars_schema

WINDOW = "2026-01-31-14:00"
SECURITY = contract("security")


def test_the_frame_has_the_columns_of_the_events_table() -> None:
    assert dict(event_frame(10, WINDOW).schema) == polars_schema(SECURITY.events_schema())


def test_every_value_is_an_event() -> None:
    verdicts = [SECURITY.decode(value) for value in event_values(500, window_start(WINDOW))]

    assert not [verdict for verdict in verdicts if isinstance(verdict, Rejection)]


def test_the_same_seed_gives_the_same_events_and_another_gives_others() -> None:
    assert event_frame(200, WINDOW, seed=1).equals(event_frame(200, WINDOW, seed=1))
    assert not event_frame(200, WINDOW, seed=1).equals(event_frame(200, WINDOW, seed=2))


def test_blocks_of_one_window_have_offsets_of_their_own() -> None:
    blocks = [event_frame(300, WINDOW, seed=first, first_offset=first) for first in (0, 300)]

    places = {row for block in blocks for row in block.select("kafka_partition", "kafka_offset").iter_rows()}
    assert len(places) == 600
