"""Tests for the body of a run: JSON without files, and a form with them."""

from collections.abc import Mapping
from dataclasses import replace
from email import message_from_bytes
from pathlib import Path

import orjson
import pytest

from relay.core.upstream import File, Run
from relay.errors import Code, UpstreamRejected
from relay.providers.request_body import Body
from relay.providers.wiro.run_body import encode
from tests.providers.files import picture_at

PICTURE = b"\x89PNG"
HOOK = "https://relay.test/hook"


def run(values: Mapping[str, object], *files: File) -> Run:
    return Run(model="o/m", input=values, callback_url=HOOK, files=files)


@pytest.fixture
def picture(tmp_path: Path) -> File:
    return picture_at(tmp_path / "0", PICTURE)


async def written(body: Body) -> bytes:
    return b"".join([piece async for piece in body.pieces()])


async def form_fields(body: Body) -> list[tuple[object, object]]:
    """Return the names and values of a form, read by an independent parser."""
    form = message_from_bytes(f"Content-Type: {body.content_type}\r\n\r\n".encode() + await written(body))
    parts = [part for part in form.walk() if not part.is_multipart()]
    return [(part.get_param("name", header="content-disposition"), part.get_payload(decode=True)) for part in parts]


async def test_a_run_without_files_is_json() -> None:
    """The types of its values are kept."""
    body = encode(run({"n": 1, "seed": None, "fast": True, "urls": ["a", "b"]}))

    assert body.content_type == "application/json"
    assert orjson.loads(await written(body)) == {
        "n": 1,
        "seed": None,
        "fast": True,
        "urls": ["a", "b"],
        "callbackUrl": HOOK,
    }


async def test_a_run_with_files_is_a_form(picture: File) -> None:
    """Files come first, each value of a list is a field, and a form cannot represent null."""
    values = {
        "inputImage": ["https://x/2.png", None],
        "seed": None,
        "fast": True,
        "slow": False,
        "n": 1.5,
        "o": {"a": 1},
    }

    assert await form_fields(encode(run(values, picture))) == [
        ("inputImage", PICTURE),
        ("inputImage", b"https://x/2.png"),
        ("fast", b"true"),
        ("slow", b"false"),
        ("n", b"1.5"),
        ("o", b'{"a":1}'),
        ("callbackUrl", HOOK.encode()),
    ]


@pytest.mark.parametrize("name", ["callbackUrl", "projectid"])
def test_a_file_cannot_replace_a_field_of_the_run(picture: File, name: str) -> None:
    """These names are not inputs of the model."""
    with pytest.raises(UpstreamRejected) as caught:
        encode(run({}, replace(picture, input=name)))

    assert caught.value.code is Code.INVALID_INPUT
    assert [field.field for field in caught.value.fields] == [f"input.{name}"]
