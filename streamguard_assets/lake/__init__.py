"""Delta tables: layout, the ledger, atomic window writes, quarantine, exports. Knows no Kafka and no Dagster."""
