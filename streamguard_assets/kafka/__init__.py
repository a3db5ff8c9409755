"""Offsets, boundaries, bounded reads, producers, dead letters, topics, the local broker. No Delta, no Dagster."""
