"""Promptable segmenters."""
