"""JSON text to wire bytes."""
