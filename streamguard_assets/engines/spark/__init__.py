"""The Spark engine. Nothing here is imported unless a caller asks for Spark: importing pyspark costs a second."""
