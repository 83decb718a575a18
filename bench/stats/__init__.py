"""Effects, tests and leakage: pure functions of score tables."""
