"""The types of copied files, and how they are shown."""

import pytest

from relay.archive.content import content_type, disposition, is_shown
from relay.archive.errors import CopyFailed
from relay.sandbox.shared import pictures

PNG = pictures.draw("content", 8, 8)
WEBM = pictures.CLIP_PATH.read_bytes()[:4096]
OCTETS = "application/octet-stream"


@pytest.mark.parametrize(
    ("stated", "answered", "head", "found"),
    [
        ("image/png", "image/png", PNG, "image/png"),
        ("image/jpeg", "image/jpeg", PNG, "image/png"),
        (OCTETS, OCTETS, WEBM, "video/webm"),
        (OCTETS, "text/csv", b"a,b", "text/csv"),
        (OCTETS, "", b"a,b", OCTETS),
        ("image/svg+xml", OCTETS, b"<svg xmlns=", "image/svg+xml"),
        ("text/html", "text/html", b"<!doctype html>", "text/html"),
        ("audio/webm", "video/webm", WEBM, "video/webm"),
    ],
)
def test_the_first_bytes_decide(stated: str, answered: str, head: bytes, found: str) -> None:
    """If they say something; otherwise what the platform has stated, then what the file was served with."""
    assert content_type(stated, answered, head) == found


@pytest.mark.parametrize(
    ("stated", "head"),
    [
        ("image/png", b""),
        ("image/png", b"\n<!DOCTYPE html>"),
        (OCTETS, b"<HTML>"),
        ("video/mp4", b"<?xml version='1.0'?>\n<Error><Code>AccessDenied"),
        ("image/png", b"PK\x03\x04" + bytes(300)),
    ],
)
def test_another_file_is_not_kept(stated: str, head: bytes) -> None:
    """It may be there later."""
    with pytest.raises(CopyFailed):
        content_type(stated, "", head)


@pytest.mark.parametrize("kind", ["image/png", "image/webp", "video/mp4", "audio/mpeg"])
def test_media_are_shown_in_place(kind: str) -> None:
    """They run nothing."""
    assert is_shown(kind)
    assert disposition(kind, "ä b.png") == "inline; filename*=UTF-8''%C3%A4%20b.png"


@pytest.mark.parametrize("kind", ["image/svg+xml", "text/html", "application/pdf", "text/xml", OCTETS, "image/svg"])
def test_everything_else_is_downloaded(kind: str) -> None:
    """A browser would run the scripts of an SVG or a page."""
    assert not is_shown(kind)
    assert disposition(kind, None) == "attachment"


def test_a_name_cannot_leave_its_header() -> None:
    """Nor name a directory."""
    assert disposition("image/png", '../a\r\nSet-Cookie: "x"') == "inline; filename*=UTF-8''_a__Set-Cookie%3A%20%22x%22"
