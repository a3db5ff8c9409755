"""Batches in Dagster: their partitions and job, submission, what runs tell of them, and their removal."""
