"""Inspect tasks: one file each, prompts beside them."""
