"""The truth file names who attacked, and appears whole."""

from __future__ import annotations

import json
from pathlib import Path

from streamguard_assets.generators.truth import truth_file_of, write_truth


def test_it_is_beside_the_data_and_says_what_they_were_made_of(tmp_path: Path) -> None:
    file = truth_file_of(tmp_path / "day.ndjson")
    write_truth(file, {"zoe": "night_owl", "ada": "brute_force"}, {"seed": 3})
    assert file == tmp_path / "day.ndjson.truth.json"
    assert json.loads(file.read_text()) == {"seed": 3, "attackers": {"ada": "brute_force", "zoe": "night_owl"}}


def test_writing_it_again_replaces_it_and_leaves_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "truth.json"
    for kind in ("night_owl", "exfiltration"):
        write_truth(file, {"zoe": kind}, {})
    assert json.loads(file.read_text())["attackers"] == {"zoe": "exfiltration"}
    assert list(tmp_path.iterdir()) == [file]
