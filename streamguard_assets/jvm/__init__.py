"""The Java runtime and the jars that the local broker and Spark need, fetched once and verified."""
