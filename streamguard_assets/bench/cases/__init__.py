"""The cases, one module per subject. Each has a suite: prepare, give the cases, clean up."""
