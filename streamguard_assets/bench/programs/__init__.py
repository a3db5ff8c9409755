"""What is measured in a process of its own. Each module is run with ``python -m`` and does one thing once."""
