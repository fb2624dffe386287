"""Many documents in one call: JSON lines, rows of Arrow arrays, and columns read from messages."""
