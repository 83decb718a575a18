"""Teacher rollouts: a model's completions of a pool's prompts, written into the pool with where they come from."""
