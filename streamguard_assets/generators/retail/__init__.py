"""Seeded retail transactions: their distributions, the people and goods in them, live arrivals and whole histories."""
