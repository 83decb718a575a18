"""Experiments beyond `bench run`, each with its own records and page."""
