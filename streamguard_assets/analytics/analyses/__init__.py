"""The analyses of retail transactions: one module each, which declares ``ANALYSIS``. Adding a module adds one."""
