"""Anomaly models: fit, score, explain, persist, compare."""
