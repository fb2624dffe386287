"""The contract: its descriptors, compiled into schemas, and its documents by name."""
