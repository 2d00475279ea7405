"""Read how long a client prefers to wait: the `Prefer` header, https://www.rfc-editor.org/rfc/rfc7240#section-4.3."""

import re

from aiohttp import web

MAX_WAIT_S = 60
"""The longest wait for one answer. Proxies and clients give up on longer ones."""

_PREFERENCE = re.compile(r"\s*([\w-]+)\s*(?:=\s*\"?([^\",;]*)\"?)?\s*(?:;[^,]*)?")


def preferred_wait_s(request: web.Request) -> int | None:
    """Return the `wait` of the first preference that has one, at most MAX_WAIT_S. Malformed preferences are ignored."""
    for preference in ",".join(request.headers.getall("Prefer", ())).split(","):
        found = _PREFERENCE.fullmatch(preference)
        if found and found[1].lower() == "wait":
            text = (found[2] or "").strip()
            return min(int(text), MAX_WAIT_S) if re.fullmatch(r"[0-9]{1,9}", text) else None
    return None
