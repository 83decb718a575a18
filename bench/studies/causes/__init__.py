"""Worlds in which the cause of a trait is planted, to see whether the verdicts of `bench diff` find it."""
