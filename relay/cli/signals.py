"""
Run a command until a signal ends it: SIGTERM, Ctrl-C, or the loss of its terminal.

SIGHUP has two meanings. Service managers send it to reload settings. The kernel or a shell sends it when the terminal
is lost, because its window was closed or its ssh connection broke. The terminal distinguishes them: a process that had
a controlling terminal when it started, and has none now, has lost it.
"""

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine
from typing import Any


def run(
    work: Coroutine[Any, Any, None],
    *,
    reload: Callable[[], None] | None = None,
    toggle_debug: Callable[[], None] | None = None,
) -> bool:
    """
    Run until the work is complete or a signal cancels it, and wait for it to close.

    After one Ctrl-C, a second one ends the process at once.

    Args:
        work: what to run. A signal cancels it.
        reload: called for each SIGHUP that requests a reload of settings. None: SIGHUP cancels the work.
        toggle_debug: called for each SIGUSR1. None: SIGUSR1 ends the process.

    Returns:
        Whether Ctrl-C ended it.
    """
    interrupted = False
    # nohup ignores SIGHUP, so that the command survives the loss of its terminal. A reload is still possible.
    survives_terminal = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    had_terminal = _has_terminal() and not survives_terminal

    async def supervised() -> None:
        task = asyncio.ensure_future(work)
        loop = asyncio.get_running_loop()

        def stop(by: signal.Signals) -> None:
            nonlocal interrupted
            interrupted = by is signal.SIGINT
            loop.remove_signal_handler(signal.SIGINT)
            task.cancel()

        def hang_up() -> None:
            if reload is not None and not (had_terminal and not _has_terminal()):
                reload()
            elif not survives_terminal:
                stop(signal.SIGHUP)

        for by in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(by, stop, by)
        loop.add_signal_handler(signal.SIGHUP, hang_up)
        if toggle_debug is not None:
            loop.add_signal_handler(signal.SIGUSR1, toggle_debug)
        await asyncio.wait([task])
        if not task.cancelled():
            task.result()

    asyncio.run(supervised())
    return interrupted


def _has_terminal() -> bool:
    """Return whether the process has a controlling terminal."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK))
    except OSError:
        return False
    return True
