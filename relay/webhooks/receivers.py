"""Who receives webhooks: the URLs of the settings, and those that callers have named for their tasks."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

from relay.errors import Code, FieldError, RequestError
from relay.journal.base import StoredTask, Subscription
from relay.net.public_address import is_public
from relay.net.receiver_url import ReceiverUrl, host_matches


class Reach(Enum):
    """Which networks a webhook may be sent to."""

    ANY = "any"
    """The operator has set the URL."""
    PUBLIC = "public"
    """A caller has named the URL."""
    NONE = "none"
    """The settings do not allow the URL, or not any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receivers:
    """The settings."""

    urls: tuple[str, ...] = field(default=(), repr=False)
    """Each receives all webhooks about all tasks."""
    hosts: tuple[str, ...] = ()
    """The hosts that callers may name, as `normalized_host` returns them."""

    def __bool__(self) -> bool:
        """Return whether there can be any receiver."""
        return bool(self.urls or self.hosts)

    def of(self, task: StoredTask, kind: str) -> Sequence[str]:
        """Return the URLs that receive webhooks of a type about a task, each once."""
        own = task.webhook
        if own is None or own.url in self.urls or (own.events and kind not in own.events):
            return self.urls
        return (*self.urls, own.url)

    def has_any(self, task: StoredTask) -> bool:
        """Return whether a task has a receiver."""
        return bool(self.urls) or task.webhook is not None

    def reach(self, url: str) -> Reach:
        """Return which networks a URL may lead to."""
        if url in self.urls:
            return Reach.ANY
        try:
            parsed = ReceiverUrl.parse(url)
        except ValueError:
            return Reach.NONE
        allowed = parsed.scheme == "https" and any(host_matches(host, parsed) for host in self.hosts)
        return Reach.PUBLIC if allowed else Reach.NONE

    def check(self, subscription: Subscription) -> None:
        """
        Check that a caller may name a receiver.

        Raises:
            RequestError: the caller may not. The message names the hosts that are allowed.
        """
        if (problem := self._problem(subscription.url)) is not None:
            field = FieldError(field="webhook.url", message=problem)
            raise RequestError(Code.INVALID_INPUT, f"webhook.url: {problem}", fields=(field,))

    def _problem(self, url: str) -> str | None:
        if self.reach(url) is Reach.ANY:
            return None
        try:
            parsed = ReceiverUrl.parse(url)
        except ValueError as error:
            return str(error)
        if parsed.scheme != "https":
            return "must begin with https://"
        if not self.hosts:
            return "is not possible: the relay has no RELAY_WEBHOOK_HOSTS"
        if self.reach(url) is Reach.NONE:
            return f"must have one of the hosts in RELAY_WEBHOOK_HOSTS ({', '.join(self.hosts)})"
        if parsed.literal is not None and not is_public(parsed.literal):
            return "must not lead to a private network"
        return None
