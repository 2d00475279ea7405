"""
What a Run of Wiro carries: JSON without files, a form with them.

Wiro's documents print both for models that take files. JSON says what a number is and needs no boundary, so a form is
sent only where a file calls for it.
"""

from collections.abc import Iterator, Mapping

from relay.core.upstream import File, Run
from relay.errors import Code, FieldError, UpstreamRejected
from relay.providers.lenient_json import dump
from relay.providers.request_body import Body, Form, JsonBody

_RESERVED = ("callbackUrl", "projectid")
"""What every run takes beside its model's inputs: a file of that name would stand in the way of what is said there."""


def written(run: Run) -> Body:
    """
    Write a run.

    Raises:
        UpstreamRejected: it cannot be written: it is nested too deep, or a file has a name that is none of an input.
    """
    fields = dict(run.input)
    if run.callback_url is not None:
        fields["callbackUrl"] = run.callback_url
    for file in run.files:
        if file.input in _RESERVED:
            raise _refused(file.input, f"{file.input} is no input: it takes no file.")
    try:
        return Form([*_form(fields, run.files)]) if run.files else JsonBody(dump(fields))
    except ValueError:
        raise _refused("", "The input is nested too deep.") from None


def _refused(name: str, message: str) -> UpstreamRejected:
    """Refuse in Wiro's place what Wiro could not make sense of."""
    field = f"input.{name}" if name else "input"
    return UpstreamRejected(message, code=Code.INVALID_INPUT, fields=(FieldError(field=field, message=message),))


def _form(fields: Mapping[str, object], files: tuple[File, ...]) -> Iterator[tuple[str, str | File]]:
    """Write the files first, as the seeds print them: of an input that has both, files come before addresses."""
    for file in files:
        yield file.input, file
    for name, value in fields.items():
        for each in value if isinstance(value, list | tuple) else (value,):
            if each is not None:  # a form has no null
                yield name, _text(each)


def _text(value: object) -> str:
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case _:
            return dump(value).decode()
