"""The long-lived run of a stream in Dagster: its job, what it tells, and the sensor that keeps it as it is wanted."""
