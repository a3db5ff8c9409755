"""Tests of generated retail transactions."""
