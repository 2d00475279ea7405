"""The provider for Wiro: it maps each method to a REST call or the socket. It makes no decisions."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from math import inf
from typing import Final

from relay import log
from relay.catalogue.model import Model
from relay.core.signals import Record, Signal
from relay.core.upstream import File, Found, Run, StoredFile, StoredFolder, UpstreamTask
from relay.errors import Code, UpstreamRejected
from relay.net.proxy import DIRECT, Proxies
from relay.providers.base import Attempt
from relay.providers.counts import UpstreamCounts
from relay.providers.lenient_json import short
from relay.providers.notices import Notices
from relay.providers.wiro import file_store, run_body, socket
from relay.providers.wiro.refusals import is_unknown_task
from relay.providers.wiro.responses import confirm, parse_record, parse_run, parse_tasks
from relay.providers.wiro.rest import Rest
from relay.providers.wiro.search import CLOCK_SKEW_S, pick
from relay.providers.wiro.signing import Signer
from relay.providers.wiro.statuses import STATUSES, normalize
from relay.providers.wiro.task_list import PAGE_TASKS, Span, TaskList
from relay.providers.wiro.tools import parse_tool

_CONTINUES_BY: Final = "previousTaskToken"

_log = log.get("wiro")


class WiroProvider:
    """
    The client of Wiro; `relay.providers.base.Provider` documents the methods.

    Args:
        api_key: the API key of the project.
        api_secret: the secret of the project; null or empty if the project authenticates by key alone.
        api_url: the base URL of REST calls with the version, such as `https://api.wiro.ai/v1`.
        socket_url: the URL of the task socket, such as `wss://socket.wiro.ai/v1`.
        request_timeout_s: the maximum time that a REST call may go without progress.
        proxies: the egress proxies.
        counts: counts the calls.
    """

    name = "wiro"
    streams = True
    stops = True
    lists = True
    deletes = True
    takes_files = True
    continues_by: str | None = _CONTINUES_BY

    def __init__(
        self,
        *,
        api_key: str,
        api_secret: str | None,
        api_url: str,
        socket_url: str,
        request_timeout_s: float = 30.0,
        proxies: Proxies = DIRECT,
        counts: UpstreamCounts | None = None,
    ) -> None:
        self._rest = Rest(
            signer=Signer(api_key, api_secret),
            api_url=api_url,
            timeout_s=request_timeout_s,
            proxy=proxies.proxy_for(api_url),
            counts=counts,
        )
        self._socket_url = socket_url
        self._socket_proxy = proxies.proxy_for(socket_url)
        self._notices = Notices()
        self._task_list = TaskList(self._read_page)

    async def run(self, run: Run, attempt: Attempt | None = None) -> UpstreamTask:
        response = await self._rest.run(run.model, run_body.encode(run), attempt)
        if isinstance(earlier := run.input.get(_CONTINUES_BY), str) and earlier:
            # A refusal could quote it, and refusals are passed on to clients.
            response = replace(response, body=response.body.replace(earlier.encode(), "…".encode()))
        return parse_run(response)

    async def find(self, run: Run, *, since: float, until: float) -> Found:
        span = Span(since - CLOCK_SKEW_S, until + CLOCK_SKEW_S)
        found = pick(await self._task_list.tasks(span), run, since=since, until=until)
        if found.certain is None and run.callback_url is not None:
            # If the clock was slow, `until` is too early. The callback URL identifies the run regardless of the time.
            newer = pick(await self._task_list.tasks(Span(span.since, inf)), run, since=since, until=until)
            return newer if newer.certain is not None else found
        return found

    async def read_record(self, task: UpstreamTask) -> Record | None:
        _require_identity(task)
        body = {"taskid": task.upstream_id} if task.upstream_id else {"tasktoken": task.socket_token}
        record = parse_record(await self._rest.call("/Task/Detail", body))
        unknown = short(record.status) if record is not None and normalize(record.status) not in STATUSES else None
        if unknown is not None and self._notices.is_new(task.upstream_id or task.socket_token or "", unknown):
            _log.warning("wiro.unknown_status", status=unknown, upstream_id=task.upstream_id)
        return record

    async def stop(self, task: UpstreamTask, *, started: bool) -> None:
        _require_identity(task)
        first, second = (self._kill, self._cancel) if started else (self._cancel, self._kill)
        try:
            await first(task)
        except UpstreamRejected as refusal:
            if refusal.code is Code.RATE_LIMITED:
                raise
            # `started` may be outdated, and Wiro does not document which call applies between accept and assign.
            try:
                await second(task)
            except UpstreamRejected as again:
                details = dict.fromkeys((refusal.detail, again.detail))
                raise UpstreamRejected(" ".join(details), code=again.code, fault=again.fault) from again

    async def delete(self, task: UpstreamTask) -> None:
        if not task.socket_token:
            raise UpstreamRejected("Wiro deletes the files of a task by its token, which is not known for this task.")
        try:
            confirm(await self._rest.call("/Task/InputOutputDelete", {"tasktoken": task.socket_token}))
        except UpstreamRejected as refusal:
            if not is_unknown_task(refusal):
                raise

    def follow(self, task: UpstreamTask) -> AbstractAsyncContextManager[AsyncIterator[Signal]]:
        return socket.follow(self._socket_url, task, self._socket_proxy)

    def verify_callback(self, headers: Mapping[str, str], body: bytes) -> UpstreamTask | None:
        return None  # Wiro does not sign callbacks: only the secret in the callback URL protects them

    async def describe(self, model: str) -> Model | None:
        owner, _, name = model.partition("/")
        return parse_tool(await self._rest.call("/Tool/Detail", {"slugowner": owner, "slugproject": name}), model)

    async def ask(self, path: str, body: Mapping[str, object]) -> bytes:
        """
        Return the answer to a call that costs nothing, as it is.

        Raises:
            UpstreamError: Wiro refused the call, or could not be called.
        """
        response = await self._rest.call(path, body)
        confirm(response)
        return response.body

    async def upload(self, file: File, folder: str | None) -> StoredFile:
        return file_store.parse_file(await self._rest.send("/File/Upload", file_store.upload(file, folder)), file)

    async def create_folder(self, name: str, parent: str | None) -> StoredFolder:
        body = file_store.create_folder(name, parent)
        return file_store.parse_folder(await self._rest.send("/File/FolderCreate", body), name)

    async def check(self) -> None:
        confirm(await self._rest.call("/Task/List", _list_body(1)))

    async def close(self) -> None:
        await self._rest.close()

    async def _read_page(self, page: int) -> Sequence[dict[str, object]]:
        return parse_tasks(await self._rest.call("/Task/List", _list_body(PAGE_TASKS, start=page * PAGE_TASKS)))

    async def _cancel(self, task: UpstreamTask) -> None:
        # The documentation first required `tasktoken` and later `taskid`, and clients differ too: send both.
        names = {"taskid": task.upstream_id, "tasktoken": task.socket_token}
        confirm(await self._rest.call("/Task/Cancel", {name: value for name, value in names.items() if value}))

    async def _kill(self, task: UpstreamTask) -> None:
        # This call has another name for the same token.
        body = {"taskid": task.upstream_id} if task.upstream_id else {"socketaccesstoken": task.socket_token}
        confirm(await self._rest.call("/Task/Kill", body))


def _list_body(limit: int, *, start: int = 0) -> dict[str, object]:
    # Undocumented; Wiro's MCP server sends this: https://github.com/wiroai/Wiro-MCP (tools/list-tasks.ts).
    return {"type": "model", "sort": "id", "order": "DESC", "start": str(start), "limit": str(limit)}


def _require_identity(task: UpstreamTask) -> None:
    if not task.upstream_id and not task.socket_token:
        raise UpstreamRejected("This task has neither an ID nor a token at Wiro, so it cannot be identified there.")
