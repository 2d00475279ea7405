"""Parse what the platform does in one line: frames, closes, record changes, callbacks, clock changes and responses."""

import base64
import binascii
from typing import Final, cast, get_args

from relay.sandbox.recording import fields, placeholders
from relay.sandbox.recording.fields import InvalidLine, Line
from relay.sandbox.recording.lines import (
    Action,
    Callback,
    Change,
    Clock,
    Close,
    Frame,
    FrameKind,
    Payload,
    Response,
    ResponseFault,
)

_MAX_REASON_BYTES: Final = 123


def platform_action(line: Line, channel: str) -> Action:
    """
    Return the action of a line from the platform.

    Raises:
        InvalidLine: a field has an invalid value.
    """
    match channel:
        case "socket":
            return _close(line) if "close" in line else _frame(line)
        case "record":
            return Change(
                fields=fields.json_object(line, "body"),
                replace=fields.flag(line, "replace", default=False),
                remove=fields.strings(line, "remove"),
            )
        case "callback":
            return Callback(payload=_payload(line), headers=fields.headers(line))
        case "clock":
            return _clock(line)
        case _:
            return _response(line, channel)


def _close(line: Line) -> Close:
    if "body" in line:
        raise InvalidLine("a line has either a body or a close code; use two lines")
    code = line["close"]
    if not isinstance(code, int) or not 1000 <= code <= 4999:
        raise InvalidLine(f"close is {fields.as_json(code)}; use a code from 1000 to 4999; 1006 cuts the connection")
    reason = fields.text(line, "reason", "")
    if len(reason.encode(errors="replace")) > _MAX_REASON_BYTES:
        raise InvalidLine(f"reason is longer than {_MAX_REASON_BYTES} bytes, the limit of a close frame")
    return Close(code=code, reason=reason)


def _frame(line: Line) -> Frame:
    if "reason" in line:
        raise InvalidLine('reason needs a close code; add "close"')
    payload = _payload(line)
    if payload is None:
        raise InvalidLine('channel "socket" needs a body or a close code')
    is_bytes = isinstance(payload.value, bytes)
    kind = fields.one_of(line, "frame", get_args(FrameKind), "binary" if is_bytes else "text")
    if kind != "text" and not is_bytes:
        raise InvalidLine(f'a frame of kind "{kind}" needs "encoding": "base64"')
    return Frame(payload=payload, kind=cast("FrameKind", kind))


def _clock(line: Line) -> Clock:
    body = fields.json_object(line, "body")
    if unknown := [name for name in body if name not in ("offset_s", "date_offset_s")]:
        raise InvalidLine(f"the clock has no field {unknown[0]}; use offset_s and date_offset_s")
    offset_s = fields.number(body, "offset_s", 0.0, minimum=None)
    date_offset_s = fields.number(body, "date_offset_s", offset_s, minimum=None)
    if max(abs(offset_s), abs(date_offset_s)) > placeholders.MAX_SHIFT_S:
        limit = f"{placeholders.MAX_SHIFT_S:.0f}"
        raise InvalidLine(f"the clock can be shifted by at most {limit} s; body is {fields.as_json(body)}")
    return Clock(offset_s=offset_s, date_offset_s=date_offset_s)


def _response(line: Line, channel: str) -> Response:
    status = fields.whole(line, "status") if "status" in line else None
    if status is not None and not 200 <= status <= 599:
        raise InvalidLine(f"status is {status}; use one from 200 to 599")
    fault = fields.one_of(line, "fault", get_args(ResponseFault)) if "fault" in line else None
    if "after_bytes" in line and fault is None:
        raise InvalidLine('after_bytes needs a fault; add "fault": "hang" or "drop"')
    times = fields.whole(line, "times") if "times" in line else None
    if times == 0:
        raise InvalidLine("times is 0; remove the line")
    return Response(
        channel=channel,
        path=fields.text(line, "path") if "path" in line else None,
        status=status,
        headers=fields.headers(line),
        payload=_payload(line),
        times=times,
        delay_s=fields.number(line, "delay_s", 0.0),
        fault=cast("ResponseFault | None", fault),
        after_bytes=fields.whole(line, "after_bytes") if "after_bytes" in line else None,
    )


def _payload(line: Line) -> Payload | None:
    encoding = fields.one_of(line, "encoding", ("base64",), "")
    if "body" not in line:
        if encoding:
            raise InvalidLine("encoding needs a body")
        return None
    body = line["body"]
    if not encoding:
        return Payload(value=body)
    try:
        return Payload(value=base64.b64decode(body if isinstance(body, str) else "?", validate=True))
    except (binascii.Error, ValueError):
        raise InvalidLine(f"body is {fields.as_json(body)}, which is not base64") from None
