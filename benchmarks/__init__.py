"""Speed and memory, each beside its baseline in one run: `python -m benchmarks.NAME`, a table, then one JSON line."""
