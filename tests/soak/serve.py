"""Run the command line with a limit of open files, which is the first argument."""

import resource
import sys

from relay.cli import main as cli


def main() -> None:
    """Set the limit as a service manager does, and run the command line."""
    files = int(sys.argv.pop(1))
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    cli.main()


if __name__ == "__main__":
    main()
