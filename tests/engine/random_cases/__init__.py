"""Random JSON documents and wire strings, from a seed alone, for any message type."""
