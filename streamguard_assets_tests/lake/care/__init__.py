"""Care of tables keeps every row, beside everybody else."""
