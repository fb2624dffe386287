"""Benchmarks of chatpb and its peers: `python -m bench`. docs/performance.md describes what is measured and how."""
