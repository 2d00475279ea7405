"""The simulated Wiro as a whole: its parts, and their routes in the server."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from relay.sandbox.shared.context import Context
from relay.sandbox.wiro.auth import Accounts
from relay.sandbox.wiro.cdn import Cdn
from relay.sandbox.wiro.file_calls import FileCalls
from relay.sandbox.wiro.file_store import FileStore
from relay.sandbox.wiro.middleware import Call, Middleware, not_found
from relay.sandbox.wiro.random_faults import RandomFaults
from relay.sandbox.wiro.run_call import RunCall
from relay.sandbox.wiro.sync_run import SyncRunCall
from relay.sandbox.wiro.task_calls import TaskCalls
from relay.sandbox.wiro.task_runner import TaskRunner
from relay.sandbox.wiro.task_socket import TaskSocket
from relay.sandbox.wiro.task_starter import TaskStarter
from relay.sandbox.wiro.tasks import Tasks
from relay.sandbox.wiro.tool_calls import ToolCalls
from relay.sandbox.wiro.webhooks import Webhooks

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Interceptor:
    """Wraps the handlers of Wiro's routes. This one does nothing; a recording answers some requests itself."""

    def call(self, _channel: str, call: Call) -> Call:
        """Wrap the handler of a call. The channel is its path, such as Task/Detail."""
        return call

    def socket(self, handler: Handler) -> Handler:
        """Wrap the handler of the task socket."""
        return handler

    def file(self, handler: Handler) -> Handler:
        """Wrap the handler of file requests."""
        return handler


class Wiro:
    """
    The simulated Wiro.

    Args:
        context: the sandbox.
        accounts: who may call.
        concurrency: how many tasks an account can run at the same time; None is unlimited.
        heartbeat_s: seconds between pings on the task socket.
    """

    def __init__(self, context: Context, accounts: Accounts, *, concurrency: int | None, heartbeat_s: float) -> None:
        random_faults = RandomFaults(context.faults, context.seed)
        self.tasks = Tasks()
        self.files = FileStore()
        self.file_calls = FileCalls(context, self.files)
        self.socket = TaskSocket(self.tasks, context.faults, random_faults, heartbeat_s=heartbeat_s)
        self._context = context
        self._middleware = Middleware(context, accounts, random_faults)
        self._webhooks = Webhooks()
        self._runner = TaskRunner(self.socket, self._webhooks, speed=context.speed)
        starter = TaskStarter(context, self.tasks, self._runner, concurrency=concurrency)
        self._run_call = RunCall(context, self.tasks, self.files, starter, random_faults)
        self._task_calls = TaskCalls(context, self.tasks, self._runner, self.files)
        self._tool_calls = ToolCalls(context.faults)
        self._cdn = Cdn(self.tasks, self.files, context.seed)

    def add_routes(self, app: web.Application, interceptor: Interceptor) -> None:
        """Add the routes to an application, each handler wrapped by the interceptor."""
        authorized = self._middleware.authorized
        for channel, call in self._calls().items():
            path = "/v1/Run/{owner}/{model}" if channel == "Run" else f"/v1/{channel}"
            app.router.add_post(path, authorized(interceptor.call(channel, call)))
        if self._context.dialect == "gen2":
            sync = SyncRunCall(self._run_call.handle, wait_s=self._context.faults.sync_wait_s)
            app.router.add_post("/v1/Run/{owner}/{model}/sync", authorized(sync.handle))
        app.router.add_options("/v1/{path:.*}", self._middleware.preflight)
        app.on_response_prepare.append(self._middleware.allow_origin)
        app.router.add_get("/v1", _upgrade_only(interceptor.socket(self.socket.handle)))
        for path in ("/cdn/{folder}/{name}", "/v1/File/{folder}/{name}"):
            app.router.add_get(path, interceptor.file(self._cdn.handle))

    async def close(self) -> None:
        """Close all sockets and stop all tasks and callbacks."""
        await self.socket.close_all()
        await self._runner.close()
        await self._webhooks.close()

    def _calls(self) -> dict[str, Call]:
        flaky = self._middleware.with_random_faults
        return {
            "Run": self._run_call.handle,
            "Task/Detail": flaky(self._task_calls.detail),
            "Task/List": flaky(self._task_calls.list),
            "Task/Cancel": flaky(self._task_calls.cancel),
            "Task/Kill": flaky(self._task_calls.kill),
            "Task/InputOutputDelete": flaky(self._task_calls.delete_files),
            "File/Upload": flaky(self.file_calls.upload),
            "File/FolderCreate": flaky(self.file_calls.create_folder),
            "Tool/List": flaky(self._tool_calls.list),
            "Tool/Detail": flaky(self._tool_calls.detail),
            "Tool/Explore": flaky(self._tool_calls.explore),
            "Tool/DetailOpenAPI": flaky(self._tool_calls.specification),
        }


def _upgrade_only(handler: Handler) -> Handler:
    """Return 404 for requests that do not ask for a WebSocket."""

    async def handle(request: web.Request) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() != "websocket":
            return await not_found(request)
        return await handler(request)

    return handle
