"""Build the URLs of a task."""

from relay.config import Config
from relay.web.api.responses import Links


def links(config: Config, task: str, token: str) -> Links:
    """
    Return the URLs of a task: absolute if `RELAY_PUBLIC_URL` is set, else relative.

    The pages get the token in the fragment, which browsers do not send and servers do not log.
    """
    base = str(config.public_url).rstrip("/") if config.public_url is not None else ""
    socket_base = "ws" + base.removeprefix("http") if base else ""
    return {
        "self": f"{base}/v1/tasks/{task}",
        "events": f"{base}/v1/tasks/{task}/events",
        "ws": f"{socket_base}/v1/tasks/{task}/ws",
        "view": f"{base}/t/{task}#token={token}",
        "embed": f"{base}/embed/{task}#token={token}",
    }
