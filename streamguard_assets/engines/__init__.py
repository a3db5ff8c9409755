"""How records become frames: the Polars engine and the Spark engine, same interface, same results."""
