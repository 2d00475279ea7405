"""Scripts and other static files: who may load them, how long caches keep them, and how they are compressed."""

import gzip
import re

import aiohttp
import pytest

from relay import __version__
from relay.web.static_files import FILES, SCRIPTS, STATIC, VERSIONED

MAY_HAVE = ("br, gzip", "gzip", "identity")


async def test_static_files_are_shared_with_all_origins(client: aiohttp.ClientSession) -> None:
    """Pages of other sites import the element. What a browser has already is not sent again."""
    for name in FILES:
        async with client.get(f"/static/{name}", headers={"Origin": "https://else.example"}) as answer:
            assert answer.status == 200
            assert answer.headers["Access-Control-Allow-Origin"] == "*"
            assert answer.headers["Timing-Allow-Origin"] == "*"
            assert answer.headers["Vary"] == "Accept-Encoding"
            assert answer.headers["Server"] == "relay"
            etag = answer.headers["ETag"]
        async with client.get(f"/static/{name}", headers={"If-None-Match": etag}) as answer:
            assert answer.status == 304


async def test_only_addresses_that_change_with_their_content_are_kept(client: aiohttp.ClientSession) -> None:
    """A page must not run a script of an earlier version for longer than a few minutes."""
    async with client.get(f"/static/dist/{SCRIPTS['task']}") as answer:
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    for name in ("relay.js", VERSIONED):
        async with client.get(f"/static/{name}") as answer:
            assert answer.headers["Cache-Control"] == "public, max-age=300"
    async with client.get("/static/favicon.svg") as answer:
        assert answer.headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize("accepted", MAY_HAVE)
async def test_a_script_is_sent_as_it_was_compressed(client: aiohttp.ClientSession, accepted: str) -> None:
    """Its bytes are those of the file that `make bundle` has written."""
    name = SCRIPTS["relay"]
    coding = accepted.split(",")[0]
    suffix = {"br": ".br", "gzip": ".gz", "identity": ""}[coding]
    async with aiohttp.ClientSession(client._base_url, auto_decompress=False) as plain:
        for url in (f"/static/dist/{name}", f"/static/{VERSIONED}"):
            async with plain.get(url, headers={"Accept-Encoding": accepted}) as answer:
                assert answer.headers.get("Content-Encoding", "identity") == coding
                assert answer.headers["Vary"] == "Accept-Encoding"
                assert answer.content_type in ("text/javascript", "application/javascript")
                assert await answer.read() == (STATIC / "dist" / (name + suffix)).read_bytes()


async def test_the_module_leads_to_the_present_script(client: aiohttp.ClientSession) -> None:
    """`/static/relay.js` only names the script, so that browsers keep the script itself."""
    async with client.get("/static/relay.js") as answer:
        assert answer.content_type in ("text/javascript", "application/javascript")
        assert await answer.text() == f'export * from "./dist/{SCRIPTS["relay"]}";\n'
    assert re.fullmatch(r"relay@\d+\.\d+\.js", VERSIONED)
    assert __version__.startswith(VERSIONED.removeprefix("relay@").removesuffix("js"))


async def test_a_script_of_another_version_leads_to_the_present_one(client: aiohttp.ClientSession) -> None:
    """During an upgrade a page may come from a node of another version. Other names do not exist."""
    async with client.get("/static/dist/task.AAAAAAAA.js") as answer:
        assert answer.status == 200
        assert answer.url.name == SCRIPTS["task"]
        assert answer.history[0].headers["Cache-Control"] == "no-cache"
    for name in ("dist/other.AAAAAAAA.js", "task.AAAAAAAA.js", "dist/task.AAAAAAAA.js.gz", "dist/manifest"):
        async with client.get(f"/static/{name}") as answer:
            assert answer.status == 404


def test_the_compressed_copies_have_the_content_of_the_scripts() -> None:
    """A forgotten copy would serve an earlier version to most browsers."""
    for name in SCRIPTS.values():
        path = STATIC / "dist" / name
        assert gzip.decompress(path.with_suffix(".js.gz").read_bytes()) == path.read_bytes()
        assert path.with_suffix(".js.br").stat().st_size < path.with_suffix(".js.gz").stat().st_size
