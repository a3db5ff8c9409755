"""What people want of a stream, how it is, and what is to be done about it. All from the lake alone."""
