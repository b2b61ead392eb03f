"""Measuring the detector."""
