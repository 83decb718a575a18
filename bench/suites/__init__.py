"""Suites: what is run on what, as TOML files."""
