"""Benchmarks of chatpb against its peers: `python -m bench`. docs/performance.md says what is measured and how."""
