"""The kill harness: ends processes in the middle of their work, and proves that nothing was lost or doubled."""
