"""Seeded event generators with planted truth."""
