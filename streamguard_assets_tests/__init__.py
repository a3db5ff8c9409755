"""Tests of StreamGuard Assets; the folders mirror the package."""
