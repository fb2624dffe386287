"""Keep exchanges: compact records, from one file to a cluster."""
