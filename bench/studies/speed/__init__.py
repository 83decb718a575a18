"""`bench bench`: where time goes, measured beside a plain loop over the same work on the same machine."""
