"""Filter plugins: find, run, check."""
