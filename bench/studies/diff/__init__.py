"""Post-training diffing: interpolate between two SFT pipelines and read off where a trait comes from (`bench diff`)."""
