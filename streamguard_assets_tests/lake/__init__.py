"""What the lake promises: windows replaced whole, ledgers never rewritten, readers that see no half-written thing."""
