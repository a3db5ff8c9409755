"""Everything that imports Dagster: partitions, assets, checks, sensors, schedules, jobs, resources, IO manager."""

import warnings

# Two parameters that we rely on are marked beta; the pins hold their behaviour still, and a warning per asset at
# every start would hide the ones that matter. By text: importing Dagster here would slow every command down.
warnings.filterwarnings(
    "ignore", message=r"Parameter `(backfill_policy|allow_nonexistent_upstream_partitions)` .* is currently in beta"
)
