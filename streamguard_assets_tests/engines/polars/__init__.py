"""The Polars engine: parsing, columns, soft rules."""
