"""What an event is: one module per stream, and the identity of events (offsets, windows). No I/O."""
