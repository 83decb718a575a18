"""What `bench` and `python -m bench.cli` start."""

import sys

from bench.cli import signals


def start() -> None:
    """Run the command line; what stops it while it is imported ends like what stops it later."""
    signals.listen()
    try:
        from bench.cli.main import main

        main()
    except KeyboardInterrupt:
        status = signals.stop()
        sys.stderr.write(f"{signals.STOPPED}\n")
        sys.exit(status)


if __name__ == "__main__":
    start()
