"""Care of tables: fewer files, rows in a useful order, nothing that no version needs, a short log to open."""
