"""The end of a task's log text that a snapshot keeps: the last LOG_UNITS, cut from the front."""

from typing import Final

from relay.core.events import LateLog, Log
from relay.core.utf16 import utf16_cut, utf16_len

LOG_UNITS: Final = 32_768
"""How much log text a snapshot keeps, in UTF-16 units over both streams."""


def add(log: tuple[Log, ...], added: Log | LateLog) -> tuple[tuple[Log, ...], int]:
    """Return the log with text added and cut to LOG_UNITS, and how many units were cut."""
    return _cut(_insert(log, added) if isinstance(added, LateLog) else _append(log, added))


def _append(log: tuple[Log, ...], added: Log) -> tuple[Log, ...]:
    """Append text. Neighbours of the same stream become one entry."""
    if log and log[-1].stream == added.stream:
        return (*log[:-1], Log(stream=added.stream, text=log[-1].text + added.text))
    return (*log, added)


def _insert(log: tuple[Log, ...], late: LateLog) -> tuple[Log, ...]:
    """Insert text at its place in the stream; at the front of the log if that place has been cut off."""
    left = late.before
    for index in range(len(log) - 1, -1, -1):
        entry = log[index]
        if entry.stream != late.stream:
            continue
        units = utf16_len(entry.text)
        if units >= left:
            head, tail = utf16_cut(entry.text, units - left)
            grown = Log(stream=entry.stream, text=head + late.text + tail)
            return (*log[:index], grown, *log[index + 1 :])
        left -= units
    if log and log[0].stream == late.stream:
        return (Log(stream=late.stream, text=late.text + log[0].text), *log[1:])
    return (Log(stream=late.stream, text=late.text), *log)


def _cut(log: tuple[Log, ...]) -> tuple[tuple[Log, ...], int]:
    excess = sum(utf16_len(entry.text) for entry in log) - LOG_UNITS
    dropped = 0
    while excess > 0:
        first, *rest = log
        units = utf16_len(first.text)
        if units <= excess:
            log = tuple(rest)
        else:
            cut, kept = utf16_cut(first.text, excess)
            if utf16_len(cut) < excess:  # the cut fell into a surrogate pair: drop the whole character
                kept = kept[1:]
            log = (Log(stream=first.stream, text=kept), *rest)
            units -= utf16_len(kept)
        dropped += units
        excess -= units
    return log, dropped
