"""Tests of child processes: real ones, really killed."""
