"""Tests of the Kafka room, against a real broker."""
