"""Speed and memory, each beside its baseline in the same run: `python -m benchmarks.NAME`, a table, then one JSON line."""
