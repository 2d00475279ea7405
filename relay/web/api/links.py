"""Where a task's own addresses are: absolute when the relay knows its public address, else relative."""

from relay.config import Config


def links(config: Config, task: str, token: str) -> dict[str, str]:
    """Return the links of a start's answer. The token rides in the fragment, so that no server's log has it."""
    base = str(config.public_url).rstrip("/") if config.public_url is not None else ""
    socket_base = "ws" + base.removeprefix("http") if base else ""
    return {
        "self": f"{base}/v1/tasks/{task}",
        "events": f"{base}/v1/tasks/{task}/events",
        "ws": f"{socket_base}/v1/tasks/{task}/ws",
        "view": f"{base}/t/{task}#token={token}",
        "embed": f"{base}/embed/{task}#token={token}",
    }
