"""Write Unix times as Wiro does."""

from datetime import UTC, datetime

from relay.sandbox.switches.faults import Faults


def timestamp(faults: Faults, at: float | None) -> str:
    """Return a Unix time as text in the format that the switches ask for; "0" for a time that is not set."""
    if not at:
        return "0"
    match faults.timestamps:
        case "s":
            return str(int(at))
        case "ms":
            return str(int(at * 1000))
        case "date":
            return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")
