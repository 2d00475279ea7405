"""
How a command ends: by SIGTERM, by Ctrl-C, or because its terminal is gone.

SIGHUP means two things. Service managers send it to have settings read again, and the kernel or a shell sends it when
the terminal is lost, by a closed window or a broken ssh connection. They are told apart by the terminal itself: a
process that had a controlling terminal when it started, and has none now, has lost it.
"""

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine
from typing import Any


def run(work: Coroutine[Any, Any, None], *, reload: Callable[[], None] | None = None) -> bool:
    """
    Run until the work is over or it is asked to stop, then let it close in order.

    SIGTERM and a lost terminal are ordinary ends. After one Ctrl-C, a second one does not wait.

    Args:
        work: what is cancelled to stop it.
        reload: called for each SIGHUP that means to read the settings again; null: SIGHUP stops the work.

    Returns:
        Whether it ended by Ctrl-C.
    """
    interrupted = False
    # nohup has SIGHUP ignored, so that the command outlives its terminal; it can still be told to read its settings.
    outlives_terminal = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    had_terminal = _has_terminal() and not outlives_terminal

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
            elif not outlives_terminal:
                stop(signal.SIGHUP)

        for by in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(by, stop, by)
        loop.add_signal_handler(signal.SIGHUP, hang_up)
        await asyncio.wait([task])
        if not task.cancelled():
            task.result()

    asyncio.run(supervised())
    return interrupted


def _has_terminal() -> bool:
    """Say whether the process has a controlling terminal."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK))
    except OSError:
        return False
    return True
