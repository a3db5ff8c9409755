"""``streamguard chaos`` tells what it did, and fails loudly when a promise was broken."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from streamguard_assets.chaos import run as chaos_run
from streamguard_assets.chaos.account import Account
from streamguard_assets.chaos.findings import Finding, Promise
from streamguard_assets.chaos.report import one_line, report_document
from streamguard_assets.cli import app


@pytest.fixture
def account() -> Account:
    account = Account(rounds=3, commits=12, verifications=1, verified_records=4_321, recoveries_s=[1.0, 2.0])
    account.kills.update({"broker killed": 1, "stream killed at a random moment": 2})
    return account


def chaos(
    monkeypatch: pytest.MonkeyPatch, account: Account, *options: str, folder: Path | None = None
) -> tuple[int, str, str]:
    """Exit status, stdout and stderr of the command; the run itself is told to come to ``account``."""

    def run_chaos(*_: Any, told: Callable[[Account], None], **__: Any) -> tuple[Account, Path | None]:
        told(account)
        return account, folder

    monkeypatch.setattr(chaos_run, "run_chaos", run_chaos)
    result = CliRunner().invoke(app, ["chaos", "--minutes", "1", *options])
    return result.exit_code, result.stdout, result.stderr


def test_a_run_without_findings_is_told_as_a_document(monkeypatch: pytest.MonkeyPatch, account: Account) -> None:
    code, out, error = chaos(monkeypatch, account, "--seed", "7", "--json")

    document = json.loads(out)
    assert code == 0
    assert document["seed"] == 7
    assert document["kills"] == 3
    assert document["mean_recovery_s"] == 1.5
    assert document["kills_by_kind"] == {"broker killed": 1, "stream killed at a random moment": 2}
    assert "seed 7" in error


def test_for_people_kinds_and_totals_are_tables(monkeypatch: pytest.MonkeyPatch, account: Account) -> None:
    code, out, _ = chaos(monkeypatch, account, "--seed", "7")

    assert code == 0
    assert "broker killed" in out
    assert "4321" in out


def test_a_broken_promise_fails_and_names_the_seed_and_what_was_kept(
    monkeypatch: pytest.MonkeyPatch, account: Account, tmp_path: Path
) -> None:
    account.findings.append(Finding(Promise.LOST, "2 committed records are not in live/events: 0-7-a"))

    code, _, error = chaos(monkeypatch, account, "--seed", "7", folder=tmp_path)

    assert code == 1
    assert "lost: 2 committed records" in error
    assert "--seed 7" in error
    assert str(tmp_path) in error.replace("\n", "")


def test_an_account_of_nothing_has_no_recovery_time() -> None:
    assert report_document(Account(), seed=1)["mean_recovery_s"] is None
    assert one_line(Account()) == "0 kills, 0 commits, 0 events proven"
