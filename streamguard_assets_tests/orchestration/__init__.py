"""Tests of everything that imports Dagster, on a real broker and real instances."""
