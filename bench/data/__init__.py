"""Pools, traits and experiments: what a run reads."""
