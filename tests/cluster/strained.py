"""
The relay of the chaos runs as a node: `python -m tests.cluster.strained serve`.

A node that has stopped is declared dead after 3 s instead of 10 s. Each node hears late of what others have committed,
so that viewers who change their node are often ahead of it.
"""

from datetime import timedelta
from types import ModuleType

from relay.journal.postgres import beat, node, tail, writer
from tests.chaos import strained

LEASE_S = 3.0
BEAT_S = 0.5
MARGIN_S = 1.0
GATHER_S = 0.05


def main() -> None:
    """Run the command line with these changes."""
    changes: list[tuple[ModuleType, str, object]] = [
        (beat, "BEAT_S", BEAT_S),
        (node, "LEASE_S", LEASE_S),
        (node, "MARGIN_S", MARGIN_S),
    ]
    changes += [(tail, "GATHER_S", GATHER_S)]
    changes += [(module, "LEASE", timedelta(seconds=LEASE_S)) for module in (beat, node, writer)]
    for module, name, value in changes:
        setattr(module, name, value)
    strained.main()


if __name__ == "__main__":
    main()
