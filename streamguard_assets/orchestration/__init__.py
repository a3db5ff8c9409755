"""Everything that imports Dagster: partitions, assets, checks, sensors, schedules, jobs, resources, IO manager."""
