"""Templates, style and script of the rendered board; `bench.board_render` loads them."""
