"""Run the command line by `python -m bench.cli`."""

from bench.cli.main import main

main()
