"""Seeded generators of realistic events. They yield bytes and times; producing them to Kafka is the caller's work."""
