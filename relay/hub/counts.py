"""What the hub counts: viewers that come and go, and what is written to them."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from relay.counting import LabeledCounter
from relay.hub.framing import Framing


class Sent:
    """What was written to the viewers with one framing."""

    __slots__ = ("events", "size_bytes")

    def __init__(self) -> None:
        self.events = 0
        self.size_bytes = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class HubCounts:
    """The counts of one hub, since its start."""

    sent: defaultdict[Framing, Sent] = field(default_factory=lambda: defaultdict(Sent))
    """Events by framing. Each event counts once for each viewer that it was written to."""
    connected: Counter[Framing] = field(default_factory=Counter)
    """The viewers that are connected now, by framing."""
    joined: LabeledCounter = field(default_factory=LabeledCounter)
    """Connections by framing."""
    subscribed: LabeledCounter = field(default_factory=LabeledCounter)
    """Subscriptions by what they began with: `snapshot`, `resumed` or `listed`."""
    slow: LabeledCounter = field(default_factory=LabeledCounter)
    """What happened to slow viewers: they `fell_behind` or `caught_up`."""
    disconnected: LabeledCounter = field(default_factory=LabeledCounter)
    """Connections that ended, by close code, or `client` if the client ended them or was lost."""
