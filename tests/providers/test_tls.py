"""Tests for TLS failures against real servers: the message names the problem of the certificate."""

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import connector

from relay.core.upstream import UpstreamTask
from relay.errors import UpstreamUnavailable
from relay.providers.http import HttpClient
from relay.providers.tls import tls_failure
from relay.providers.wiro import socket

OPENSSL_CA = """
[ca]
default_ca = ours
[ours]
database = index.txt
new_certs_dir = .
serial = serial
default_md = sha256
policy = any
copy_extensions = copy
[any]
commonName = supplied
[req]
distinguished_name = name
[name]
"""


def make_certificate(folder: Path, *, name: str, start: str, end: str, usage: str = "serverAuth") -> tuple[Path, Path]:
    """Create an authority and a certificate for `name`; return the certificate with its key, and the authority."""
    folder.mkdir()
    (folder / "ca.cnf").write_text(OPENSSL_CA)
    (folder / "index.txt").touch()
    (folder / "serial").write_text("01")

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    new = ("req", "-newkey", "rsa:2048", "-nodes", "-config", "ca.cnf")
    openssl(*new, "-x509", "-subj", "/CN=authority", "-keyout", "ca.key", "-out", "ca.pem", "-days", "3650",
            "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign")  # fmt: skip
    openssl(*new, "-subj", f"/CN={name}", "-keyout", "key.pem", "-out", "csr.pem",
            "-addext", f"subjectAltName={name}", "-addext", f"extendedKeyUsage={usage}")  # fmt: skip
    openssl("ca", "-batch", "-config", "ca.cnf", "-cert", "ca.pem", "-keyfile", "ca.key", "-in", "csr.pem",
            "-out", "cert.pem", "-startdate", start, "-enddate", end)  # fmt: skip
    chain = folder / "chain.pem"
    chain.write_text((folder / "key.pem").read_text() + (folder / "cert.pem").read_text())
    return chain, folder / "ca.pem"


@asynccontextmanager
async def served(chain: Path | None) -> AsyncIterator[str]:
    """Serve TLS with a certificate, or plain text without one; yield host and port."""
    context = None
    if chain is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


FOREVER = {"start": "20200101000000Z", "end": "20991231235959Z"}


@pytest.mark.parametrize(
    ("certificate", "trusted", "said"),
    [
        ({"name": "IP:127.0.0.1", "start": "20200101000000Z", "end": "20200102000000Z"}, True, "has expired"),
        ({"name": "IP:127.0.0.1", "start": "20980101000000Z", "end": "20991231235959Z"}, True, "is not valid yet"),
        ({"name": "IP:127.0.0.1", **FOREVER}, False, "is from an unknown authority"),
        ({"name": "DNS:other.example", **FOREVER}, True, "is for another host name"),
        ({"name": "IP:127.0.0.1", **FOREVER, "usage": "clientAuth"}, True, "certificate purpose"),
        (None, True, "TLS failed: wrong version number"),
    ],
    ids=["expired", "early", "unknown", "name", "purpose", "no TLS"],
)
async def test_why_tls_failed_is_said(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    certificate: dict[str, str] | None,
    trusted: bool,
    said: str,
) -> None:
    """Both REST calls and the socket report it."""
    chain = None
    if certificate is not None:
        chain, authority = make_certificate(tmp_path / "tls", **certificate)
        if trusted:
            monkeypatch.setenv("SSL_CERT_FILE", str(authority))
            # aiohttp reads it when it is imported.
            monkeypatch.setattr(connector, "_SSL_CONTEXT_VERIFIED", connector._make_ssl_context(verified=True))
    async with served(chain) as address:
        http = HttpClient(
            name="Wiro", setting="WIRO_API_URL", api_url=f"https://{address}", timeout_s=10, headers=dict[str, str]
        )
        with pytest.raises(UpstreamUnavailable) as caught:
            await http.call("GET", "/")
        await http.close()
        assert said in caught.value.detail
        with pytest.raises(UpstreamUnavailable) as caught:
            async with socket.follow(f"wss://{address}", UpstreamTask(upstream_id="1", socket_token="x")):
                pass
        assert said in caught.value.detail


async def test_a_connection_that_closes_during_the_handshake_is_unavailable() -> None:
    """It fails without a reason, but certainly before the request was sent."""

    async def close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        record = await reader.readexactly(5)
        await reader.readexactly(int.from_bytes(record[3:]))  # unread data would reset the connection
        writer.close()

    server = await asyncio.start_server(close, "127.0.0.1", 0)
    async with server:
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        http = HttpClient(name="Wiro", setting="WIRO_API_URL", api_url=url, timeout_s=10, headers=dict[str, str])
        with pytest.raises(UpstreamUnavailable, match="could not be reached: the connection failed"):
            await http.call("GET", "/")
        await http.close()


def test_a_tls_failure_may_have_no_reason() -> None:
    """OpenSSL may have reasons that Python does not know. Other errors are not TLS failures."""
    assert tls_failure(ssl.SSLError(1, "unknown error (_ssl.c:1006)")) == "TLS failed"
    assert tls_failure(ConnectionResetError()) is None
