"""Checkpoints of one family, or any models, compared on a panel of evals."""
