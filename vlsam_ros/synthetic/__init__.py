"""Synthetic road scenes with exact masks: for training, for the demo, and for measuring."""
