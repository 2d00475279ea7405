"""Wiro as a provider: which call does what. It carries and translates; it decides nothing and keeps no task."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from math import inf

from relay import log
from relay.catalogue.model import Model
from relay.core.signals import Record, Signal
from relay.core.upstream import File, Found, Run, StoredFile, StoredFolder, UpstreamTask
from relay.errors import Code, UpstreamRejected
from relay.net.proxy import DIRECT, Proxies
from relay.providers.base import Attempt
from relay.providers.lenient_json import short
from relay.providers.notices import Notices
from relay.providers.wiro import file_store, run_body, socket
from relay.providers.wiro.responses import confirm, parse_record, parse_run, read_tasks
from relay.providers.wiro.rest import Rest
from relay.providers.wiro.search import CLOCK_SKEW_S, pick
from relay.providers.wiro.signing import Signer
from relay.providers.wiro.statuses import STATUSES, word
from relay.providers.wiro.task_list import PAGE_TASKS, Span, TaskList
from relay.providers.wiro.tools import parse_tool

_log = log.get("wiro")


class WiroProvider:
    """
    Our side of Wiro; see `relay.providers.base.Provider` for what each call promises.

    Args:
        api_key: the project's key.
        api_secret: the project's secret; null or empty for a project that takes the key alone.
        api_url: where REST calls go, with the version: `https://api.wiro.ai/v1`.
        socket_url: where task sockets are: `wss://socket.wiro.ai/v1`.
        request_timeout_s: how long a REST call may stand still.
        proxies: the egress proxies of both.
    """

    name = "wiro"
    streams = True
    stops = True
    lists = True
    takes_files = True

    def __init__(
        self,
        *,
        api_key: str,
        api_secret: str | None,
        api_url: str,
        socket_url: str,
        request_timeout_s: float = 30.0,
        proxies: Proxies = DIRECT,
    ) -> None:
        self._rest = Rest(
            signer=Signer(api_key, api_secret),
            api_url=api_url,
            timeout_s=request_timeout_s,
            proxy=proxies.proxy_for(api_url),
        )
        self._socket_url = socket_url
        self._socket_proxy = proxies.proxy_for(socket_url)
        self._notices = Notices()
        self._task_list = TaskList(self._read_page)

    async def run(self, run: Run, attempt: Attempt | None = None) -> UpstreamTask:
        return parse_run(await self._rest.run(run.model, run_body.written(run), attempt))

    async def find(self, run: Run, *, since: float, until: float) -> Found:
        span = Span(since - CLOCK_SKEW_S, until + CLOCK_SKEW_S)
        found = pick(await self._task_list.tasks(span), run, since=since, until=until)
        if found.certain is None and run.callback_url is not None:
            # A clock that was behind dated the run too early. Its callback address identifies it at any time.
            newer = pick(await self._task_list.tasks(Span(span.since, inf)), run, since=since, until=until)
            return newer if newer.certain is not None else found
        return found

    async def read_record(self, task: UpstreamTask) -> Record | None:
        _known(task)
        body = {"taskid": task.upstream_id} if task.upstream_id else {"tasktoken": task.socket_token}
        record = parse_record(await self._rest.call("/Task/Detail", body))
        unknown = short(record.status) if record is not None and word(record.status) not in STATUSES else None
        if unknown is not None and self._notices.is_new(task.upstream_id or task.socket_token or "", unknown):
            _log.warning("wiro.unknown_status", status=unknown, upstream_id=task.upstream_id)
        return record

    async def stop(self, task: UpstreamTask, *, started: bool) -> None:
        _known(task)
        first, second = (self._kill, self._cancel) if started else (self._cancel, self._kill)
        try:
            await first(task)
        except UpstreamRejected as refusal:
            if refusal.code is Code.RATE_LIMITED:
                raise
            # Our knowledge may be old, and between accept and assign Wiro documents neither call as the right one.
            try:
                await second(task)
            except UpstreamRejected as again:
                details = dict.fromkeys((refusal.detail, again.detail))
                raise UpstreamRejected(" ".join(details), code=again.code, fault=again.fault) from again

    def follow(self, task: UpstreamTask) -> AbstractAsyncContextManager[AsyncIterator[Signal]]:
        return socket.follow(self._socket_url, task, self._socket_proxy)

    def heard(self, headers: Mapping[str, str], body: bytes) -> UpstreamTask | None:
        return None  # Wiro signs nothing: the secret word in the address is all there is

    async def describe(self, model: str) -> Model | None:
        owner, _, name = model.partition("/")
        return parse_tool(await self._rest.call("/Tool/Detail", {"slugowner": owner, "slugproject": name}), model)

    async def upload(self, file: File, folder: str | None) -> StoredFile:
        return file_store.parse_file(await self._rest.send("/File/Upload", file_store.upload(file, folder)), file)

    async def create_folder(self, name: str, parent: str | None) -> StoredFolder:
        body = file_store.create_folder(name, parent)
        return file_store.parse_folder(await self._rest.send("/File/FolderCreate", body), name)

    async def check(self) -> None:
        confirm(await self._rest.call("/Task/List", _listing(1)))

    async def close(self) -> None:
        await self._rest.close()

    async def _read_page(self, page: int) -> Sequence[dict[str, object]]:
        return read_tasks(await self._rest.call("/Task/List", _listing(PAGE_TASKS, start=page * PAGE_TASKS)))

    async def _cancel(self, task: UpstreamTask) -> None:
        # The documentation asked for `tasktoken` here and later for `taskid`, the clients differ too: both are sent.
        names = {"taskid": task.upstream_id, "tasktoken": task.socket_token}
        confirm(await self._rest.call("/Task/Cancel", {name: value for name, value in names.items() if value}))

    async def _kill(self, task: UpstreamTask) -> None:
        # The same token goes by another name here.
        body = {"taskid": task.upstream_id} if task.upstream_id else {"socketaccesstoken": task.socket_token}
        confirm(await self._rest.call("/Task/Kill", body))


def _listing(limit: int, *, start: int = 0) -> dict[str, object]:
    # Documented nowhere, but Wiro's own MCP server lists tasks with these words.
    return {"type": "model", "sort": "id", "order": "DESC", "start": str(start), "limit": str(limit)}


def _known(task: UpstreamTask) -> None:
    if not task.upstream_id and not task.socket_token:
        raise UpstreamRejected("This task has neither an id nor a token at Wiro: it cannot be asked for.")
