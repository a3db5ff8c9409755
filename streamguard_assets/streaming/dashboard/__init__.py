"""The live dashboard: its arithmetic, its table, what its commits say, and how it is computed once more."""
