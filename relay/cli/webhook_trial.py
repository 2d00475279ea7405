"""`relay webhook test`: send a webhook to receivers, once."""

import asyncio
import secrets
import time
from datetime import UTC, datetime
from typing import Final

import orjson

from relay.cli.output import say
from relay.config import Config
from relay.errors import ConfigError, RelayError
from relay.journal.outbox import Webhook
from relay.net.receiver_url import checked_receiver
from relay.webhooks.receivers import Receivers
from relay.webhooks.sender import Answer, Sender

TYPE: Final = "relay.test"
"""The type of the webhook that is sent. No task has one."""


async def send_test(settings: Config, url: str | None) -> None:
    """
    Send a webhook to a receiver, or to those of the settings, and print what each one answers.

    Raises:
        ConfigError: there is no receiver, or no secret.
        RelayError: one of them does not accept it.
    """
    if not settings.webhook_keys:
        raise ConfigError("RELAY_WEBHOOK_SECRET: not set; the relay signs webhooks with it")
    urls = settings.webhook_urls if url is None else (_checked(url),)
    if not urls:
        raise ConfigError("RELAY_WEBHOOK_URL: not set; set it, or name a receiver")
    receivers = Receivers(urls=urls)
    async with Sender(receivers, settings.webhook_keys, time.time, proxies=settings.proxies) as sender:
        answers = await asyncio.gather(*(sender.send(_webhook(each)) for each in urls))
    for receiver, answer in zip(urls, answers, strict=True):
        say(f"{receiver}  {answer.text}")
    if refused := sum(not _accepts(answer) for answer in answers):
        raise RelayError(f"{refused} of {len(urls)} receivers did not accept the webhook; they must answer with 2xx")


def _checked(url: str) -> str:
    try:
        return checked_receiver(url)
    except ValueError as error:
        raise ConfigError(f"URL: {error}") from None


def _webhook(url: str) -> Webhook:
    now = time.time()
    timestamp = datetime.fromtimestamp(now, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    body = orjson.dumps({"type": TYPE, "timestamp": timestamp, "data": {}})
    return Webhook(id=f"msg_{secrets.token_hex(16)}", task="", url=url, type=TYPE, body=body, created_at=now)


def _accepts(answer: Answer) -> bool:
    return answer.status is not None and 200 <= answer.status < 300
