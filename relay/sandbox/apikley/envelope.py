"""
Apikley's response envelope.

It is `{code, msg, data}`, and for recordInfo `{code, message, data}`: https://docs.apikley.ru/get-task-detail. Errors
have HTTP status 200 unless the switch `code_as_status` is on.
"""

from aiohttp import web

from relay.sandbox.shared.json_response import json_response
from relay.sandbox.switches.faults import Faults


def ok(data: object) -> web.Response:
    """Return a success envelope."""
    return _envelope(200, "success", data)


def record_ok(data: object, faults: Faults) -> web.Response:
    """Return a success envelope of recordInfo."""
    return _envelope(200, "success", data, message_field=_record_message_field(faults))


def error(code: int, message: str, faults: Faults) -> web.Response:
    """Return an error envelope."""
    return _error(code, message, faults, message_field="msg")


def record_error(code: int, message: str, faults: Faults) -> web.Response:
    """Return an error envelope of recordInfo."""
    return _error(code, message, faults, message_field=_record_message_field(faults))


def unauthorized() -> web.Response:
    """Return the error for a call without the account's key."""
    return _envelope(401, "You do not have access permissions", None)


def http_error(status: int) -> web.Response:
    """Return the error envelope of an HTTP fault."""
    return _envelope(status, "Something went wrong.", None, status=status)


def _error(code: int, message: str, faults: Faults, *, message_field: str) -> web.Response:
    status = code if faults.code_as_status else 200
    response = _envelope(code, message, None, status=status, message_field=message_field)
    if faults.retry_after_s is not None:
        response.headers["Retry-After"] = str(faults.retry_after_s)
    return response


def _record_message_field(faults: Faults) -> str:
    return "msg" if faults.spelling == "kie" else "message"


def _envelope(code: int, message: str, data: object, *, status: int = 200, message_field: str = "msg") -> web.Response:
    return json_response({"code": code, message_field: message, "data": data}, status=status)
