"""The fingerprint by which a running stream is found to be on older code or settings."""

from __future__ import annotations

from streamguard_assets.streaming.supervision.fingerprint import code_fingerprint
from streamguard_assets_tests.conftest import SettingsFactory


def test_it_is_the_same_for_the_same(brokerless_settings: SettingsFactory) -> None:
    settings = brokerless_settings()
    assert code_fingerprint(settings, "security") == code_fingerprint(brokerless_settings(), "security")


def test_it_changes_with_what_the_stream_reads_and_with_nothing_else(brokerless_settings: SettingsFactory) -> None:
    before = code_fingerprint(brokerless_settings(), "security")
    assert code_fingerprint(brokerless_settings(streaming={"trigger_ms": 250}), "security") != before
    assert code_fingerprint(brokerless_settings(streams={"security": {"topic": "other"}}), "security") != before
    assert code_fingerprint(brokerless_settings(streams={"transactions": {"topic": "other"}}), "security") == before
    assert code_fingerprint(brokerless_settings(detection={"trees": 7}), "security") == before


def test_no_secret_is_part_of_it(brokerless_settings: SettingsFactory) -> None:
    prints = {
        code_fingerprint(
            brokerless_settings(lake={"provider": "s3", "uri": "s3://b", "storage": {"k": secret}}), "security"
        )
        for secret in ("one", "another")
    }
    assert len(prints) == 1
