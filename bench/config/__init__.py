"""Suites and recipes: files as written, and the records they become."""
