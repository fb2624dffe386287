"""Streams of chunks, compact and whole, on their wire bytes."""
