"""The URLs of receivers, and the hosts that callers may name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from relay.net.receiver_url import ReceiverUrl, checked_receiver, host_matches, normalized_host


@pytest.mark.parametrize(
    "url",
    [
        *("https://user@shop.example.com/", "https://user:secret@shop.example.com/", "https://@shop.example.com/"),
        *("https://shop.example.com#@evil.example", "https://shop.example.com\\@evil.example/", "ftp://a.example/"),
        *("//shop.example.com/", "shop.example.com", "https:shop.example.com", "https:///x", "https://", ""),
        *("https://shop.example.com:0/", "https://shop.example.com:99999/", "https://shop.example.com:/"),
        *("https://127.1/", "https://2130706433/", "https://0x7f000001/", "https://0177.0.0.1/", "https://[::1/"),
        *("https://[fe80::1%25eth0]/", "https://m\u00fcnchen.example/", "https://a.example/ x", "https://a.example/\n"),
        *("https://a.example/\u2028", "HTTPS://a.example/", "https://a..example/", "https://*.example/"),
        "https://a.example/" + "x" * 2000,
    ],
)
def test_a_url_that_two_parsers_may_read_differently_is_refused(url: str) -> None:
    """Only one spelling is accepted."""
    with pytest.raises(ValueError, match=r"."):
        checked_receiver(url)


@given(st.from_regex(r"https?://[A-Za-z0-9.@:\\\[\]#/?%-]{1,30}", fullmatch=True))
def test_the_http_client_reads_an_accepted_url_in_the_same_way(url: str) -> None:
    """Host and port that were checked are those that it connects to."""
    try:
        parsed = ReceiverUrl.parse(url)
    except ValueError:
        return
    client = URL(url)
    assert (client.host or "").lower() == parsed.host.strip("[]")
    assert (client.scheme, client.port) == (parsed.scheme, parsed.port)
    assert client.user is None
    assert client.password is None


@pytest.mark.parametrize(
    ("allowed", "url", "matches"),
    [
        ("hooks.example.com", "https://HOOKS.example.com/a?b=c", True),
        ("Hooks.Example.com", "https://hooks.example.com:443", True),
        ("hooks.example.com", "https://hooks.example.com:8443/", False),
        ("hooks.example.com:8443", "https://hooks.example.com:8443/", True),
        ("hooks.example.com", "https://evil-hooks.example.com/", False),
        ("hooks.example.com", "https://hooks.example.com.evil.example/", False),
        ("*.example.com", "https://a.b.example.com/", True),
        ("*.example.com", "https://example.com/", False),
        ("*.example.com", "https://evilexample.com/", False),
        ("203.0.113.7", "https://203.0.113.7/", True),
        ("[2606:4700::0001]", "https://[2606:4700:0::1]/", True),
    ],
)
def test_a_host_is_allowed_with_its_port(allowed: str, url: str, *, matches: bool) -> None:
    """Without a port that is 443, and `*.` stands for subdomains only."""
    assert host_matches(normalized_host(allowed), ReceiverUrl.parse(url)) is matches


@pytest.mark.parametrize("host", ["*", "*.", "", "https://a.example", "a.example/x", "u@a.example", "a.*.example"])
def test_a_host_that_would_match_every_host_is_refused(host: str) -> None:
    """All receivers share the secret, so an operator lists them."""
    with pytest.raises(ValueError, match=r"."):
        normalized_host(host)
