"""Tests of the local broker, each with its own state folder."""
