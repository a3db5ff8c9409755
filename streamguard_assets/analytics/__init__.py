"""Pure Narwhals transforms: a frame in, a frame out. Knows no Dagster, no Kafka, no files and no clock."""
