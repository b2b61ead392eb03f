"""Many looks, one result: views, their order under a budget, and merging."""
