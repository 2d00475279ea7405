"""
Encode the body of a run: a multipart form if it has files, else JSON.

Wiro documents both forms. JSON keeps the types of values, so a form is sent only if it is needed for a file.
"""

from collections.abc import Iterator, Mapping

from relay.core.upstream import File, Run
from relay.errors import Code, FieldError, UpstreamRejected
from relay.providers.lenient_json import dump
from relay.providers.request_body import Body, Form, JsonBody

_RESERVED = ("callbackUrl", "projectid")
"""Fields of every run that are not inputs of the model. A file with one of these names would override the field."""


def encode(run: Run) -> Body:
    """
    Return the body of a run.

    Raises:
        UpstreamRejected: the input is nested too deeply, or a file is given for a reserved name.
    """
    fields = dict(run.input)
    if run.callback_url is not None:
        fields["callbackUrl"] = run.callback_url
    for file in run.files:
        if file.input in _RESERVED:
            raise _refused(file.input, f"{file.input} is not an input, so it does not accept a file.")
    try:
        return Form([*_form(fields, run.files)]) if run.files else JsonBody(dump(fields))
    except ValueError:
        raise _refused("", "The input is nested too deeply.") from None


def _refused(name: str, message: str) -> UpstreamRejected:
    """Return the refusal of an input that Wiro could not interpret."""
    field = f"input.{name}" if name else "input"
    return UpstreamRejected(message, code=Code.INVALID_INPUT, fields=(FieldError(field=field, message=message),))


def _form(fields: Mapping[str, object], files: tuple[File, ...]) -> Iterator[tuple[str, str | File]]:
    """Yield the fields, files first: for an input that has both, Wiro expects files before URLs."""
    for file in files:
        yield file.input, file
    for name, value in fields.items():
        for each in value if isinstance(value, list | tuple) else (value,):
            if each is not None:  # a form cannot represent null
                yield name, _text(each)


def _text(value: object) -> str:
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case _:
            return dump(value).decode()
