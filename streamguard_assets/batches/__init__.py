"""Batches: ad-hoc offset ranges of a topic, from the request to pages of rows. Knows no Dagster."""
