"""The asset graph of one stream, built by one factory from its settings."""
