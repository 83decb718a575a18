"""Filters: one file each; see `bench new-filter`."""
