"""
Post callbacks to the addresses that tasks were started with.

Callbacks go to loopback addresses only, so that a simulation never contacts another host.
"""

from collections.abc import Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit

import aiohttp

from relay import log

_log = log.get("sandbox.callbacks")
_TIMEOUT = aiohttp.ClientTimeout(total=5)


def may_call_back(url: str, task_id: str) -> bool:
    """Return whether a callback address is on this machine, and log a warning if it is not."""
    if _is_loopback(url):
        return True
    _log.warning("callback.refused", task=task_id, url=url, reason="not a loopback address")
    return False


async def post_callback(url: str, body: bytes, headers: Mapping[str, str], task_id: str) -> int | None:
    """Post a JSON body and return the HTTP status of the response, or None if there was none."""
    try:
        async with (
            aiohttp.ClientSession(timeout=_TIMEOUT) as http,
            http.post(url, data=body, headers={"Content-Type": "application/json", **headers}) as response,
        ):
            _log.debug("callback.answered", task=task_id, status=response.status)
            return response.status
    except (aiohttp.ClientError, TimeoutError) as error:
        _log.warning("callback.failed", task=task_id, error=type(error).__name__)
        return None


def _is_loopback(url: str) -> bool:
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
