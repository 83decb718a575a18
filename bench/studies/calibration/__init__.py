"""Simulations that measure what the suite's own intervals and tests are worth."""
