"""Contracts and the identity of events, as specifications."""
