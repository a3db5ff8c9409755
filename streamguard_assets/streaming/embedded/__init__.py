"""The embedded engine: one process, librdkafka in and delta-rs out, no JVM."""
