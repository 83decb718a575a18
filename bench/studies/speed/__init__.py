"""`bench speed`: wall time, memory and throughput beside a plain loop over the same work on the same machine."""
