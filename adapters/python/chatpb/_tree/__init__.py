"""Wire bytes as a tree of messages."""
