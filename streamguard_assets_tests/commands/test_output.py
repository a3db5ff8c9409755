"""Results go to stdout in the form asked for; remarks go to stderr; nothing in the data acts on the terminal."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from pathlib import Path

import numpy as np
import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from streamguard_assets.commands import output
from streamguard_assets.commands.output import Format, chosen_format, harmless, plain

ROWS = [
    {"user": "ada", "score": 0.75, "reasons": ["many addresses"], "seen": datetime(2026, 1, 31, tzinfo=UTC)},
    {"user": "[bold]eve[/]", "score": None, "reasons": [], "seen": None},
]


class TestRecords:
    def test_json_is_a_list_with_one_object_per_line(self, capsys: pytest.CaptureFixture[str]) -> None:
        output.print_records(ROWS, Format.JSON)
        text = capsys.readouterr().out
        assert json.loads(text) == [
            {"user": "ada", "score": 0.75, "reasons": ["many addresses"], "seen": "2026-01-31T00:00:00Z"},
            {"user": "[bold]eve[/]", "score": None, "reasons": [], "seen": None},
        ]
        assert len(text.splitlines()) == 4

    def test_no_records_are_an_empty_json_list(self, capsys: pytest.CaptureFixture[str]) -> None:
        output.print_records([], Format.JSON)
        assert json.loads(capsys.readouterr().out) == []

    def test_csv_has_a_header_empty_cells_for_null_and_json_for_nested_values(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        output.print_records(ROWS, Format.CSV)
        assert list(csv.reader(io.StringIO(capsys.readouterr().out))) == [
            ["user", "score", "reasons", "seen"],
            ["ada", "0.75", '["many addresses"]', "2026-01-31T00:00:00Z"],
            ["[bold]eve[/]", "", "[]", ""],
        ]

    def test_no_records_are_a_csv_header_when_the_columns_are_known(self, capsys: pytest.CaptureFixture[str]) -> None:
        output.print_records([], Format.CSV, columns=["user", "score"])
        assert capsys.readouterr().out == "user,score\n"

    def test_a_table_shows_the_chosen_columns_and_takes_text_as_it_is(self, capsys: pytest.CaptureFixture[str]) -> None:
        output.print_records(ROWS, columns=["user", "score"])
        header, first, second = capsys.readouterr().out.splitlines()
        assert header.split() == ["user", "score"]
        assert first.split() == ["ada", "0.75"]
        assert second.split() == ["[bold]eve[/]", "–"]

    def test_a_table_in_a_pipe_folds_no_cell(self, capsys: pytest.CaptureFixture[str]) -> None:
        output.print_records([{"text": "word " * 200}])
        assert len(capsys.readouterr().out.splitlines()) == 2

    def test_records_are_written_as_they_come(self, capsys: pytest.CaptureFixture[str]) -> None:
        def rows():
            yield {"n": 1}
            raise RuntimeError("the source broke")

        with pytest.raises(RuntimeError):
            output.print_records(rows(), Format.CSV)
        assert capsys.readouterr().out == "n\n1\n"


class TestDocuments:
    def test_json_is_an_object(self, capsys: pytest.CaptureFixture[str]) -> None:
        output.print_document({"lines": 3, "at": date(2026, 1, 31)}, Format.JSON)
        assert json.loads(capsys.readouterr().out) == {"lines": 3, "at": "2026-01-31"}

    def test_people_get_a_line_per_field(self, capsys: pytest.CaptureFixture[str]) -> None:
        output.print_document({"lines": 3, "complete": True})
        assert [line.split() for line in capsys.readouterr().out.splitlines()] == [["lines", "3"], ["complete", "yes"]]


class TestRemarks:
    @pytest.mark.parametrize(
        ("say", "text"),
        [
            (output.print_note, "a [x] note\n"),
            (output.print_warning, "warning: a [x] note\n"),
            (output.print_error, "error: a [x] note\n"),
        ],
    )
    def test_they_stay_out_of_the_result(self, capsys: pytest.CaptureFixture[str], say, text: str) -> None:
        say("a [x] note")
        captured = capsys.readouterr()
        assert (captured.out, captured.err) == ("", text)

    def test_a_progress_bar_is_silent_where_nobody_watches(self, capsys: pytest.CaptureFixture[str]) -> None:
        with output.progress_bar() as bar:
            bar.advance(bar.add_task("lines", total=3))
        captured = capsys.readouterr()
        assert captured.out + captured.err == ""


class TestFormats:
    def test_flags_choose(self) -> None:
        assert chosen_format() is Format.TABLE
        assert chosen_format(as_json=True) is Format.JSON
        assert chosen_format(as_csv=True) is Format.CSV

    def test_two_flags_are_a_usage_error(self) -> None:
        with pytest.raises(typer.BadParameter, match="one of --json and --csv"):
            chosen_format(as_json=True, as_csv=True)


class Colour(Enum):
    RED = "red"


class TestPlain:
    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            (float("inf"), None),
            (np.float64(0.5), 0.5),
            (datetime(2026, 1, 31, 1, tzinfo=timezone(timedelta(hours=1))), "2026-01-31T00:00:00Z"),
            (datetime(2026, 1, 31), "2026-01-31T00:00:00"),
            (timedelta(minutes=1), 60.0),
            (Decimal("1.10"), "1.10"),
            (Path("a/b"), "a/b"),
            (Colour.RED, "red"),
            (b"\x00abc\xff", "\x00abc\\xff"),
            ({1: (True, {2})}, {"1": [True, [2]]}),
        ],
    )
    def test_types(self, value: object, expected: object) -> None:
        assert plain(value) == expected

    def test_an_unknown_type_is_named(self) -> None:
        with pytest.raises(TypeError, match="TestPlain has no form"):
            plain(self)

    @given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(), st.lists))
    def test_whatever_it_gives_is_strict_json(self, value: object) -> None:
        json.dumps(plain(value), allow_nan=False)


@given(st.text())
def test_no_control_character_reaches_the_terminal(text: str) -> None:
    shown = harmless(text)
    assert all(c.isprintable() or c in "\n\t" for c in shown)
    assert harmless(shown) == shown
