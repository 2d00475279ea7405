"""Origins and source lists: what an operator may write, as a browser would, and what can never match."""

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.config import load
from relay.errors import ConfigError
from relay.net.origin import normalized_origin, normalized_sources, origin_matches, same_address

LABELS = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True)
HOSTS = st.builds(
    lambda labels, last: ".".join((*labels, last)),
    st.lists(LABELS, min_size=1, max_size=3),
    st.from_regex(r"[a-z]{2,8}", fullmatch=True),  # a number at the end would make it an IPv4 address
)


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("https://shop.example.com", "https://shop.example.com"),
        ("https://shop.example.com/", "https://shop.example.com"),
        ("HTTPS://Shop.Example.com", "https://shop.example.com"),
        ("https://shop.example.com:443", "https://shop.example.com"),
        ("https://shop.example.com:443/", "https://shop.example.com"),
        ("http://shop.example.com:80", "http://shop.example.com"),
        ("http://shop.example.com:443", "http://shop.example.com:443"),
        ("https://shop.example.com:", "https://shop.example.com"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("http://127.0.0.1:3000", "http://127.0.0.1:3000"),
        ("http://[::1]:3000", "http://[::1]:3000"),
        ("http://[0:0:0:0:0:0:0:1]", "http://[::1]"),
        ("https://münchen.example", "https://xn--mnchen-3ya.example"),
        ("https://straße.example", "https://xn--strae-oqa.example"),
        ("https://*.Example.com:443/", "https://*.example.com"),
        ("https://*.vercel.app", "https://*.vercel.app"),
        ("http://*.localhost:3000", "http://*.localhost:3000"),
        ("https://*.internal", "https://*.internal"),
        ("null", "null"),
        ("chrome-extension://abcdef", "chrome-extension://abcdef"),
        ("capacitor://localhost", "capacitor://localhost"),
    ],
)
def test_an_origin_is_brought_into_the_form_that_browsers_send(written: str, sent: str) -> None:
    """Case, default port, slash at the end, international names."""
    assert normalized_origin(written) == sent
    assert normalized_origin(sent) == sent


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("*", "would allow every site"),
        ("https://*", "would allow every site"),
        ("https://*/", "would allow every site"),
        ("shop.example.com", "no scheme; use https://shop.example.com"),
        ("shop.example.com/", "no scheme; use https://shop.example.com"),
        ("localhost:3000", "or http://"),
        ("//shop.example.com", "no scheme; use https://shop.example.com"),
        ("https:/shop.example.com", "no scheme; use https://shop.example.com"),
        ("HTTPS:shop.example.com", "no scheme; use https://shop.example.com"),
        ("*.example.com", "no scheme"),
        (
            "https://shop.example.com/cart",
            "path or a query, which an origin does not have; use https://shop.example.com",
        ),
        ("https://shop.example.com?x", "use https://shop.example.com"),
        ("https://shop.example.com#x", "use https://shop.example.com"),
        ("https://me@shop.example.com", "user name"),
        ("https://shop.*.com", "wildcard that is not at the start"),
        ("https://*shop.example.com", "wildcard that is not at the start"),
        ("https://*.*.example.com", "wildcard that is not at the start"),
        ("https://shop.example.com:*", "has the port"),
        ("https://shop.example.com:99999", "has the port"),
        ("https://shop.example.com:0", "has the port 0; use 1 to 65535"),
        ("https://", "invalid host"),
        ("https://shop..example.com", "invalid host"),
        ("https://-shop.example.com", "invalid host"),
        ("https://shop example.com", "separate origins with commas"),
        ("https://a.example https://b.example", "separate origins with commas"),
        ("https://a.example;https://b.example", "separate origins with commas"),
        ('"https://a.example"', "without quotes"),
        ("https://[::1", "invalid IPv6 address"),
        ("https://[zz]", "invalid IPv6 address"),
        ("wss://shop.example.com", "use https://shop.example.com"),
        ("file:///home", "null"),
        ("ftp://shop.example.com", "never sent by a browser"),
        ("data://shop", "never sent by a browser"),
        ("http://127.1", "ends in a number"),
        ("http://192.168.001.007", "ends in a number"),
        ("http://2130706433", "ends in a number"),
        ("http://0x7f.0.0.1:3000", "ends in a number"),
        ("http://0x7f", "ends in a number"),
        ("http://256.0.0.1", "ends in a number"),
        ("http://*.0.0.1", "ends in a number"),
        ("https://*.127.0.0.1", "ends in a number"),
        ("chrome-extension://abc/x", "not an origin"),
        ("https://\N{ZERO WIDTH SPACE}.example", "invalid internationalized host name"),
    ],
)
def test_what_no_browser_ever_sends_is_refused_with_the_reason(written: str, said: str, tmp_path: object) -> None:
    """At start-up and by `relay check`, not by a 403 for each visitor."""
    with pytest.raises(ValueError) as caught:
        normalized_origin(written)
    assert said in str(caught.value)
    with pytest.raises(ConfigError) as refused:
        load({"RELAY_ALLOWED_ORIGINS": f"https://fine.example, {written}"})
    assert str(refused.value).startswith("RELAY_ALLOWED_ORIGINS: ")
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("origin", "fits"),
    [
        ("https://a.example.com", True),
        ("https://a.b.c.example.com", True),
        ("https://pr-12.example.com", True),
        ("https://example.com", False),
        ("https://.example.com", False),
        ("https://..example.com", False),
        ("https://a..example.com", False),
        ("https://evilexample.com", False),
        ("https://a.example.com.evil", False),
        ("https://a.example.com:8443", False),
        ("http://a.example.com", False),
        ("https://A.example.com", False),
        ("https://a.example.com/", False),
        ("https://evil.com/.example.com", False),
        ("https://evil.com?.example.com", False),
        ("https://evil.com#.example.com", False),
        ("https://evil.com:80.example.com", False),
        ("https://me@a.example.com", False),
        ("https://evil.com\n.example.com", False),
        ("null", False),
        ("", False),
    ],
)
def test_a_wildcard_stands_for_subdomains_and_for_nothing_else(origin: str, fits: bool) -> None:
    """Of any depth, exactly as a browser sends them."""
    assert origin_matches("https://*.example.com", origin) == fits


@given(st.sampled_from(["http", "https"]), HOSTS, st.one_of(st.none(), st.integers(1, 65535)), st.booleans())
def test_however_it_is_written_it_matches_what_the_browser_sends(
    scheme: str, host: str, port: int | None, upper: bool
) -> None:
    """And normalising twice changes nothing."""
    default = {"http": 80, "https": 443}[scheme]
    sent = f"{scheme}://{host}" + ("" if port in (None, default) else f":{port}")
    written = f"{scheme}://{host}" + ("" if port is None else f":{port}")
    normal = normalized_origin(f"{written.upper() if upper else written}/")
    assert normal == sent
    assert origin_matches(normal, sent)


@pytest.mark.parametrize(
    ("page", "host", "same"),
    [
        ("https://relay.example.com", "relay.example.com", True),
        ("https://relay.example.com", "relay.example.com:443", True),
        ("http://relay.example.com", "relay.example.com:80", True),
        ("https://relay.example.com", "RELAY.Example.com:443", True),
        ("https://relay.example.com:8081", "relay.example.com:8081", True),
        ("http://[::1]:8081", "[::1]:8081", True),
        ("https://relay.example.com", "relay.example.com:80", False),
        ("http://relay.example.com", "relay.example.com:443", False),
        ("https://relay.example.com:8081", "relay.example.com", False),
        ("https://relay.example.com", "relay.example.com:8081", False),
        ("https://evil.example.com", "relay.example.com", False),
        ("ftp://relay.example.com", "relay.example.com", False),
    ],
)
def test_a_host_header_is_compared_whatever_its_case_and_default_port(page: str, host: str, same: bool) -> None:
    """A proxy that speaks TLS may add the port, and clients write it in any case."""
    assert same_address(urlsplit(page), host) == same


@pytest.mark.parametrize(
    ("written", "compared"),
    [
        ("'self'", "'self'"),
        ("'SELF' https://Shop.Example.com:443/", "'self' https://shop.example.com"),
        ("  shop.example.com   http:  ", "shop.example.com http:"),
        ("https://*.example.com:* https://*", "https://*.example.com:* https://*"),
        ("*", "*"),
        ("'none'", "'none'"),
        ("https://münchen.example", "https://xn--mnchen-3ya.example"),
    ],
)
def test_sources_of_a_policy_are_written_as_browsers_compare_them(written: str, compared: str) -> None:
    """The header is ASCII, and a slash at the end is no path."""
    assert normalized_sources(written) == compared


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("self", "write 'self' with single quotes"),
        ("none", "write 'none' with single quotes"),
        ('"self"', "write 'self' with single quotes"),
        ("'self' 'none'", "must be the only source"),
        ("https://a.example, https://b.example", "comma"),
        ("https://a.example; script-src *", "semicolon"),
        ("https://a.example/page", "path"),
        ("null", "null"),
        ("https://a b:99999", "port"),
        ("", "empty"),
    ],
)
def test_a_source_that_can_match_nothing_is_refused(written: str, said: str) -> None:
    """By the setting, with the reason."""
    with pytest.raises(ConfigError) as refused:
        load({"RELAY_FRAME_ANCESTORS": written})
    assert said in str(refused.value)


@pytest.mark.parametrize("url", ["https://me@h.example/", "https://h.example/?x", "https://h.example/#x", "h.example"])
def test_a_public_address_is_one(url: str) -> None:
    """A path it may have."""
    assert load({"RELAY_PUBLIC_URL": "https://H.example:443/relay/"}).public_url is not None
    with pytest.raises(ConfigError):
        load({"RELAY_PUBLIC_URL": url})
