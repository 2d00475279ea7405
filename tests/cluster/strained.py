"""
The relay of the chaos runs as a node: `python -m tests.cluster.strained serve`.

A node that has stopped is replaced within seconds. Each node hears late of what others have committed, so that viewers
that change their node are often ahead of it.
"""

from relay.journal.postgres import tail
from tests.chaos import strained
from tests.cluster.short_times import shorten

GATHER_S = 0.05


def main() -> None:
    """Run the command line with these changes."""
    shorten()
    setattr(tail, "GATHER_S", GATHER_S)  # noqa: B010 -- a constant
    strained.main()


if __name__ == "__main__":
    main()
