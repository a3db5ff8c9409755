"""Windows of Kafka topics as exact, checked, re-runnable Dagster assets.

An event is identified by ``(topic, partition, offset)``. Time is cut at instants whose offsets are decided
once and stored; everything downstream (rows, features, scores, checks) is said in those offsets.
"""

__version__ = "0.1.0"
