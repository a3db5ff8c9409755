"""The local broker: one real Apache Kafka (KRaft, one process) for a machine that has none. Data are kept."""
