"""Where tables are, and that keys of a store never show."""

from __future__ import annotations

import pickle

import pytest

from streamguard_assets.lake.location import LakeLocation


def test_a_table_is_below_its_stream():
    assert LakeLocation("s3://bucket/lake/").table("security", "events") == "s3://bucket/lake/security/events"
    assert LakeLocation("/data/lake").table("transactions", "analyses/hourly") == (
        "/data/lake/transactions/analyses/hourly"
    )
    assert LakeLocation("/lake").table("transactions", "batches/batch-20260131-0a1b2c3d/raw") == (
        "/lake/transactions/batches/batch-20260131-0a1b2c3d/raw"
    )


def test_a_relative_folder_is_the_same_lake_in_a_child_that_starts_elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert LakeLocation("lake").uri == str(tmp_path / "lake")
    assert LakeLocation(f"file://{tmp_path}/lake").path == tmp_path / "lake"


def test_an_address_in_a_store_has_no_path():
    assert LakeLocation("s3://bucket/lake").path is None


@pytest.mark.parametrize("name", ["", "Events", "../events", "a b", "/events", "events/", "a-b", "a/-b", "a/../b"])
def test_names_that_would_leave_the_lake_are_refused(name):
    with pytest.raises(ValueError, match="no name of a stream"):
        LakeLocation("/lake").table("security", name)


def test_storage_options_show_their_names_and_never_their_values():
    location = LakeLocation("s3://bucket", {"AWS_SECRET_ACCESS_KEY": "hunter2"})
    assert "hunter2" not in repr(location)
    assert "hunter2" not in str(location)
    assert "AWS_SECRET_ACCESS_KEY" in repr(location)


def test_it_travels_to_worker_processes():
    location = LakeLocation("s3://bucket", {"AWS_REGION": "x"})
    assert pickle.loads(pickle.dumps(location)) == location  # noqa: S301  (our own bytes)
    assert hash(location) == hash(LakeLocation("s3://bucket", {"AWS_REGION": "x"}))
