"""Tests for responses of Wiro's file store."""

from pathlib import Path

import orjson
import pytest

from relay.core.upstream import File
from relay.errors import UpstreamUnclear
from relay.providers.response import Response
from relay.providers.wiro.file_store import parse_file, parse_folder

SENT = File(input="file", filename="cat.png", content_type="image/png", size_bytes=3, sha256="", path=Path("0"))


def answer(**fields: object) -> Response:
    body = orjson.dumps({"result": True, "errors": [], **fields})
    return Response(status=200, content_type="application/json", body=body)


def test_what_a_response_lacks_is_taken_from_the_call() -> None:
    """Wiro documents responses with the ID alone."""
    stored = parse_file(answer(list=[{"id": "7"}]), SENT)
    folder = parse_folder(answer(list=[{"id": 8}]), "cats")

    assert (stored.id, stored.name, stored.content_type, stored.size) == ("7", "cat.png", "image/png", 3)
    assert (stored.url, stored.folder) == (None, None)
    assert (folder.id, folder.name, folder.parent) == ("8", "cats", None)


@pytest.mark.parametrize("fields", [{}, {"list": []}, {"list": [{"name": "cat.png"}]}, {"data": {"id": ""}}])
def test_a_response_without_an_id_is_unclear(fields: dict[str, object]) -> None:
    """The file may be stored, but it cannot be used."""
    with pytest.raises(UpstreamUnclear, match="without the ID of a file"):
        parse_file(answer(**fields), SENT)
    with pytest.raises(UpstreamUnclear, match="without the ID of a folder"):
        parse_folder(answer(**fields), "cats")
