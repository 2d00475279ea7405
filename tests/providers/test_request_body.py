"""Tests for request bodies: their size, their encoding, and files that change while they are sent."""

from email import message_from_bytes
from email.message import Message
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.upstream import File
from relay.errors import UpstreamUnavailable
from relay.providers.request_body import PIECE_BYTES, Body, Form, JsonBody
from tests.providers.files import picture_at

PICTURE = b"\x89PNG\r\n--" * 20_000


@pytest.fixture
def picture(tmp_path: Path) -> File:
    return picture_at(tmp_path / "0", PICTURE)


async def written(body: Body) -> bytes:
    pieces = [piece async for piece in body.pieces()]
    assert max(map(len, pieces)) <= PIECE_BYTES
    whole = b"".join(pieces)
    assert len(whole) == body.size_bytes
    return whole


def parts(body: Body, whole: bytes) -> list[Message]:
    """Parse a form with an independent parser."""
    read = message_from_bytes(f"Content-Type: {body.content_type}\r\n\r\n".encode() + whole)
    assert not read.defects
    found = read.get_payload()
    assert isinstance(found, list)
    return [part for part in found if isinstance(part, Message)]


async def test_a_form_is_read_back_as_it_was_written(picture: File) -> None:
    """Fields keep their order and may repeat; a file has its name and content type."""
    form = Form([("inputImage", picture), ("inputImage", "https://x/2.png"), ("prompt", "ein Kätzchen\n"), ("n", "")])

    read = parts(form, await written(form))

    names = [part.get_param("name", header="content-disposition") for part in read]
    assert names == ["inputImage", "inputImage", "prompt", "n"]
    assert [part.get_filename() for part in read] == ["cat.png", None, None, None]
    assert read[0].get_content_type() == "image/png"
    assert [part.get_payload(decode=True) for part in read] == [
        PICTURE,
        b"https://x/2.png",
        "ein Kätzchen\n".encode(),
        b"",
    ]


@given(st.text(max_size=40).filter(lambda text: text.encode(errors="ignore").decode() == text))
def test_no_name_breaks_out_of_its_header(name: str) -> None:
    """An unescaped quote or line break in a name would start a new header."""
    head = Form([(name, "x")])._head(name, "x").decode()

    assert head.count("\r\n") == 3
    assert head.count('"') == 2


async def test_json_goes_out_in_pieces() -> None:
    """This holds for any size."""
    assert await written(JsonBody(b"x" * (PIECE_BYTES + 1))) == b"x" * (PIECE_BYTES + 1)


async def send(body: Body, sent: list[bytes]) -> None:
    async for piece in body.pieces():
        sent.append(piece)  # noqa: PERF401 -- what was given out before it breaks off is what matters


@pytest.mark.parametrize("left", [None, 1000])
async def test_a_missing_or_truncated_file_is_never_sent_to_its_last_byte(picture: File, left: int | None) -> None:
    """So it is certain that no run was started with a partial file."""
    if left is None:
        picture.path.unlink()
    else:
        picture.path.write_bytes(PICTURE[:left])
    form = Form([("inputImage", picture)])
    sent: list[bytes] = []

    with pytest.raises(UpstreamUnavailable, match="the file uploaded for inputImage"):
        await send(form, sent)

    assert sum(map(len, sent)) < form.size_bytes
