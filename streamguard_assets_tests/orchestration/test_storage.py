"""Where the lake is and with which options, from settings in the words of dagster-deltalake."""

from __future__ import annotations

import traceback
from typing import Any

import pytest

from streamguard_assets.orchestration.storage import lake_location
from streamguard_assets.settings import SettingsError
from streamguard_assets_tests.conftest import SettingsFactory
from streamguard_assets_tests.orchestration.conftest import SiteFactory

SECRET = "do-not-show-this"
S3 = {"uri": "s3://lake/root", "provider": "s3"}


def test_a_local_lake_lies_in_the_state_folder_or_where_it_is_said(brokerless_settings: SettingsFactory) -> None:
    made = brokerless_settings()
    assert lake_location(made).uri == str(made.state / "lake")
    assert lake_location(brokerless_settings(lake={"uri": "/data/lake"})).uri == "/data/lake"


@pytest.mark.parametrize(
    ("provider", "uri", "storage"),
    [
        ("s3", "s3://lake", {"access_key_id": "id", "secret_access_key": SECRET, "region": "eu-central-1"}),
        ("s3", "s3://lake", {"endpoint": "http://minio:9000", "allow_http": "true", "bucket": "lake"}),
        ("azure", "az://lake", {"account_name": "me", "client_id": "id", "client_secret": SECRET, "tenant_id": "t"}),
        ("gcs", "gs://lake", {"bucket": "lake", "service_account": "/key.json"}),
    ],
)
def test_options_arrive_as_they_were_given(
    brokerless_settings: SettingsFactory, provider: str, uri: str, storage: dict[str, str]
) -> None:
    location = lake_location(brokerless_settings(lake={"provider": provider, "uri": uri, "storage": storage}))
    assert location.uri == uri
    given = {key: value.lower() for key, value in location.storage_options.items()}
    assert given == {key: value.lower() for key, value in storage.items()}


@pytest.mark.parametrize(
    ("lake", "expected"),
    [
        ({**S3, "storage": {"acess_key_id": SECRET}}, "lake.storage has acess_key_id; s3 knows access_key_id"),
        ({**S3, "storage": {"allow_http": SECRET}}, "STREAMGUARD_LAKE__STORAGE__ALLOW_HTTP: "),
        ({"provider": "s3"}, "lake.uri is needed for the provider 's3'"),
        ({"storage": {"region": SECRET}}, "lake.storage has region, but lake.provider is 'local'"),
    ],
)
def test_wrong_options_are_named_and_their_values_are_not(
    brokerless_settings: SettingsFactory, lake: dict[str, Any], expected: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        lake_location(brokerless_settings(lake=lake))
    assert expected in str(caught.value)
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_a_secret_is_in_no_text_of_settings_or_location(brokerless_settings: SettingsFactory) -> None:
    made = brokerless_settings(lake={**S3, "storage": {"access_key_id": "id", "secret_access_key": SECRET}})
    location = lake_location(made)
    assert location.storage_options["secret_access_key"] == SECRET
    for shown in (repr(location), str(location), repr(made), str(made), repr(made.lake)):
        assert SECRET not in shown


@pytest.mark.broker
def test_a_window_lands_on_s3_from_the_log_to_the_summary(site: SiteFactory, s3_options: dict[str, str]) -> None:
    lake = {
        "provider": "s3",
        "uri": "s3://lake/end-to-end",
        "storage": {
            "endpoint": s3_options["AWS_ENDPOINT_URL"],
            "access_key_id": s3_options["AWS_ACCESS_KEY_ID"],
            "secret_access_key": s3_options["AWS_SECRET_ACCESS_KEY"],
            "region": s3_options["AWS_REGION"],
            "allow_http": "true",
        },
    }
    here = site(2, lake=lake)
    here.produce(0, 24, broken=1)
    here.produce(1, 24)
    outcome = here.run(range(2))
    assert outcome.success, outcome.failures
    assert here.run([1]).success
    counts = here.stream.table("events").scan().collect().group_by("window").len().rows()
    assert sorted(counts) == [(here.window(0), 24), (here.window(1), 24)]
    assert here.stream.table("anomaly_scores").scan().collect().height == 24
    assert not (here.settings.state / "lake").exists()
