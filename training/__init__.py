"""Training of the embedded pair: `make train`, or the modules one by one (see README.md here)."""
