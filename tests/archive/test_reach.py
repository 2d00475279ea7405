"""Which addresses results are read from: what a platform names must not lead into a private network."""

from collections.abc import AsyncIterator

import pytest

from relay.archive.download import Downloads
from relay.archive.errors import CopyFailed, CopyRefused
from relay.archive.reach import Reach
from relay.net.proxy import DIRECT, Proxies, Proxy
from tests.archive.origin import Hosted, Origin

SANDBOX = Reach(plain=True, private=True)


@pytest.fixture
async def downloads() -> AsyncIterator[Downloads]:
    made = Downloads(DIRECT)
    yield made
    await made.close()


@pytest.mark.parametrize(
    ("api_url", "reach"),
    [
        ("https://api.wiro.ai/v1", Reach()),
        ("http://127.0.0.1:8700/v1", SANDBOX),
        ("http://localhost:8700", SANDBOX),
        ("https://10.0.0.7/v1", Reach(plain=False, private=True)),
        ("http://api.example.com", Reach(plain=True, private=False)),
    ],
)
def test_the_address_of_the_platform_decides(api_url: str, reach: Reach) -> None:
    """Results may be where the operator has set the platform to be."""
    assert Reach.of(api_url) == reach


@pytest.mark.parametrize(
    "url",
    [
        "http://cdn.example.com/a.png",
        "file:///etc/passwd",
        "ftp://cdn.example.com/a.png",
        "//cdn.example.com/a.png",
        "https:///a.png",
        "https://127.0.0.1/a.png",
        "https://localhost/a.png",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/a.png",
        "https://[::ffff:10.0.0.1]/a.png",
        "https://[64:ff9b::7f00:1]/a.png",
        "https://cdn.example.com@127.0.0.1/a.png",
        "https://user:password@cdn.example.com/a.png",
        "https://cdn.example.com:port/a.png",
        "https://[::1/a.png",
    ],
)
def test_other_addresses_are_refused(url: str) -> None:
    """Before a name is resolved or a connection is made."""
    with pytest.raises(CopyRefused):
        Reach().check(url)


def test_addresses_on_the_internet_are_allowed() -> None:
    """By name or by number."""
    Reach().check("https://cdn.example.com/a.png?signature=x")
    Reach().check("https://93.184.215.14:8443/a.png")


async def test_the_resolver_is_the_one_of_the_connection(
    downloads: Downloads, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that looks as if it were on the internet, and leads to this machine."""
    monkeypatch.setattr(Reach, "check", lambda *_: None)
    url = origin.host("a.png", Hosted(body=b"secret")).replace("127.0.0.1", "localhost")
    with pytest.raises(CopyRefused, match="in a private network"):
        async with downloads.open(Reach(plain=True), url):
            pass
    assert origin.files["a.png"].requests == []


@pytest.mark.parametrize("location", ["http://127.0.0.1:1/a.png", "https://[::1]/a.png", "https://10.0.0.1/a.png"])
async def test_a_redirect_is_checked_like_an_address(
    downloads: Downloads, origin: Origin, location: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Although the first address was allowed."""
    url = origin.host("a.png", Hosted(location=location))
    check = Reach.check
    monkeypatch.setattr(Reach, "check", lambda reach, each: None if each == url else check(reach, each))
    with pytest.raises(CopyRefused):
        async with downloads.open(Reach(), url):
            pass
    assert len(origin.files["a.png"].requests) == 1


async def test_redirects_are_followed(downloads: Downloads, origin: Origin) -> None:
    """A few of them, also to a relative address."""
    url = origin.host("a", Hosted(location=origin.host("b", Hosted(location="c"))))
    origin.host("c", Hosted(body=b"three"))
    async with downloads.open(SANDBOX, url) as download:
        assert [chunk async for chunk in download.chunks()] == [b"three"]
    origin.host("c", Hosted(location="a"))
    with pytest.raises(CopyFailed, match="HTTP 302"):
        async with downloads.open(SANDBOX, url):
            pass


async def test_the_egress_proxy_is_used(origin: Origin) -> None:
    """Its own address may be private: the operator has set it."""
    origin.host("a.png", Hosted(body=b"one"))
    downloads = Downloads(Proxies(http=Proxy(origin.url)))
    async with downloads.open(Reach(plain=True), "http://cdn.example.com/a.png") as download:
        assert [chunk async for chunk in download.chunks()] == [b"one"]
    await downloads.close()


async def test_a_deleted_file_is_not_requested_again(downloads: Downloads, origin: Origin) -> None:
    """The platform says so with 410."""
    url = origin.host("a", Hosted(late=1, status=410))
    with pytest.raises(CopyRefused, match="HTTP 410"):
        async with downloads.open(SANDBOX, url):
            pass


async def test_a_host_that_does_not_answer_may_answer_later(downloads: Downloads) -> None:
    """The address may be reachable then."""
    with pytest.raises(CopyFailed, match="did not answer"):
        async with downloads.open(SANDBOX, "http://127.0.0.1:1/a.png"):
            pass
