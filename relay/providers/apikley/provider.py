"""The provider for Apikley: it maps each method to a REST call. It makes no decisions and keeps no task state."""

import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager

from relay import log
from relay.catalogue.model import Model
from relay.core.signals import Record, Signal
from relay.core.upstream import File, Found, Run, StoredFile, StoredFolder, UpstreamTask
from relay.errors import Code, FieldError, UpstreamRejected, UpstreamUnavailable
from relay.net.proxy import DIRECT, Proxies
from relay.providers.apikley import states
from relay.providers.apikley.callbacks import verified_job
from relay.providers.apikley.responses import confirm, parse_create, parse_record
from relay.providers.base import Attempt
from relay.providers.counts import UpstreamCounts
from relay.providers.http import HttpClient
from relay.providers.lenient_json import dump
from relay.providers.notices import Notices
from relay.providers.request_body import JsonBody

_log = log.get("apikley")


class ApikleyProvider:
    """
    The client of Apikley; `relay.providers.base.Provider` documents the methods.

    Args:
        api_key: the API key of the account.
        api_url: the base URL, such as `https://api.apikley.ru`.
        webhook_secret: the key that signs callbacks. If null, callbacks are not verified and serve only as hints.
        request_timeout_s: the maximum time that a call may go without progress.
        clock: returns unix seconds.
        proxies: the egress proxies.
        counts: counts the calls.
    """

    name = "apikley"
    streams = False
    stops = False
    lists = False
    deletes = False
    takes_files = False
    continues_by: str | None = None

    def __init__(
        self,
        *,
        api_key: str,
        api_url: str,
        webhook_secret: str | None = None,
        request_timeout_s: float = 30.0,
        clock: Callable[[], float] = time.time,
        proxies: Proxies = DIRECT,
        counts: UpstreamCounts | None = None,
    ) -> None:
        self._http = HttpClient(
            name="Apikley",
            setting="APIKLEY_API_URL",
            api_url=api_url,
            timeout_s=request_timeout_s,
            headers=lambda: {"authorization": f"Bearer {api_key}"},
            proxy=proxies.proxy_for(api_url),
            counts=counts,
        )
        self._notices = Notices()
        self._webhook_secret = webhook_secret
        self._clock = clock

    async def run(self, run: Run, attempt: Attempt | None = None) -> UpstreamTask:
        body: dict[str, object] = {"model": run.model, "input": dict(run.input)}
        if run.callback_url is not None:
            body["callBackUrl"] = run.callback_url
        try:
            data = dump(body)
        except ValueError:
            wrong = FieldError(field="input", message="The input is nested too deeply.")
            raise UpstreamRejected(wrong.message, code=Code.INVALID_INPUT, fields=(wrong,)) from None
        return parse_create(await self._http.send("/api/v1/jobs/createTask", JsonBody(data), attempt))

    async def find(self, run: Run, *, since: float, until: float) -> Found:
        return Found()  # Apikley cannot list jobs: only a signed callback can still identify the job

    async def read_record(self, task: UpstreamTask) -> Record | None:
        if not task.upstream_id:
            raise UpstreamRejected("The record cannot be read: this task has no ID at Apikley.")
        query = {"taskId": task.upstream_id}
        record = parse_record(await self._http.call("GET", "/api/v1/jobs/recordInfo", query=query))
        unknown = record.status if record is not None and states.parse(record.status) is None else None
        if unknown is not None and self._notices.is_new(task.upstream_id, unknown):
            _log.warning("apikley.unknown_state", state=unknown, upstream_id=task.upstream_id)
        return record

    async def stop(self, task: UpstreamTask, *, started: bool) -> None:
        raise UpstreamRejected("Apikley cannot stop a task.", code=Code.CONFLICT)

    async def delete(self, task: UpstreamTask) -> None:
        raise UpstreamRejected("Apikley cannot delete a task.", code=Code.CONFLICT)

    def follow(self, task: UpstreamTask) -> AbstractAsyncContextManager[AsyncIterator[Signal]]:
        raise UpstreamUnavailable("Apikley has no live stream.")

    def verify_callback(self, headers: Mapping[str, str], body: bytes) -> UpstreamTask | None:
        if self._webhook_secret is None:
            return None
        job = verified_job(headers, body, secret=self._webhook_secret, now=self._clock())
        return UpstreamTask(upstream_id=job, socket_token=None)

    async def describe(self, model: str) -> Model | None:
        return None  # Apikley has no call for this; its models are in the catalogue

    async def upload(self, file: File, folder: str | None) -> StoredFile:
        raise UpstreamRejected("Apikley has no file store.", code=Code.CONFLICT)

    async def create_folder(self, name: str, parent: str | None) -> StoredFolder:
        raise UpstreamRejected("Apikley has no file store.", code=Code.CONFLICT)

    async def check(self) -> None:
        confirm(await self._http.call("GET", "/api/v1/chat/credit"))

    async def close(self) -> None:
        await self._http.close()
