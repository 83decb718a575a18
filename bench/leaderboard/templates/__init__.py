"""Templates, style and script of the rendered board; `bench.leaderboard.render` loads them."""
