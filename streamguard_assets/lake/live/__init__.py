"""Live tables: what a stream appends while it runs, its offsets in the commit, and fenced against a second writer."""
