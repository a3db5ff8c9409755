"""From offsets to the lake exactly once, without Dagster: keep the ledger, ingest, verify, plan, replay."""
