"""Measure models with Inspect."""
