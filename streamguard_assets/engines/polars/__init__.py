"""The Polars engine: records parsed to frames on one machine, with no JVM. Verdicts are the contract's own."""
