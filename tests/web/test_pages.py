"""
Pages, static files, health checks and the OpenAPI document.

`application`, `context`, `cors`, `health` and `openapi` are tested here too.
"""

import re
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import aiohttp
import pytest

from relay.app import Running
from relay.web.api.routes import ROUTES
from relay.web.application import application
from relay.web.http.problems import STATUS
from relay.web.static_files import STATIC

Json = dict[str, Any]

PAGES = {"/": "'none'", "/t/x": "'none'", "/inspect/x": "'none'", "/embed/x": "'self'"}


@pytest.mark.parametrize(("path", "ancestors"), PAGES.items())
async def test_the_content_security_policy_of_a_page(
    client: aiohttp.ClientSession, relay: Running, path: str, ancestors: str
) -> None:
    """Scripts and styles of the relay, media of configured sources, and frames of other sites for `/embed` only."""
    async with client.get(path) as answer:
        policy = dict(part.strip().partition(" ")[::2] for part in answer.headers["Content-Security-Policy"].split(";"))
        html = await answer.text()

    assert answer.status == 200
    assert answer.content_type == "text/html"
    assert answer.headers["Cache-Control"] == "no-cache"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert policy["default-src"] == "'none'"
    inline = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    hashes = [f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'" for script in inline]
    assert policy["script-src"].split() == ["'self'", *hashes]
    assert policy["connect-src"] == "'self'"
    assert "style-src" not in policy, "styles are adopted by the scripts"
    assert policy["frame-ancestors"] == ancestors
    assert relay.context.config.media_sources in policy["img-src"]
    assert len(inline) == (path in ("/t/x", "/embed/x"))
    assert not re.search(r"<style|\sstyle=|\son\w+=|rel=\"stylesheet\"|{early}", html)


async def test_an_allowed_origin_gets_exactly_its_own_cors_headers(
    client: aiohttp.ClientSession, relay: Running
) -> None:
    """The preflight and the response have that origin only. An origin that is not allowed is rejected without them."""
    parts, origin = relay.context, "https://app.example"
    parts.config = parts.config.model_copy(update={"allowed_origins": (origin,)})
    asks = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    async with client.options("/v1/tasks", headers={"Origin": origin} | asks) as answer:
        cors = {name: value for name, value in answer.headers.items() if name.startswith("Access-Control")}
        assert answer.status == 204
        assert answer.headers["Vary"] == "Origin, Accept-Encoding"
        assert cors == {
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Allow-Methods": "DELETE, GET, POST",
            "Access-Control-Allow-Headers": "Authorization, Content-Type, Idempotency-Key, Last-Event-ID, Prefer, "
            "X-API-Key, X-Nonce, X-Signature",
            "Access-Control-Max-Age": "600",
            "Access-Control-Expose-Headers": "Preference-Applied, Retry-After, X-Request-Id",
        }
    async with client.get("/v1/tasks/nobody", headers={"Origin": origin}) as answer:
        assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (404, origin)
        assert answer.headers["Access-Control-Expose-Headers"] == "Preference-Applied, Retry-After, X-Request-Id"
    for foreign in ("https://evil.example", "null", "https://app.example.evil", "http://app.example", "http://["):
        for method in ("OPTIONS", "GET"):
            async with client.request(method, "/v1/tasks", headers={"Origin": foreign} | asks) as answer:
                assert answer.status == 403
                assert answer.headers["Content-Type"] == "application/problem+json"
                assert "Access-Control-Allow-Origin" not in answer.headers


async def test_a_draining_relay_is_live_but_not_ready(
    client: aiohttp.ClientSession, relay: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Load balancers stop sending requests, and the process is not restarted. A failing store is not ready either."""
    async with client.get("/readyz") as answer:
        body = await answer.json()
        assert (answer.status, body["status"], body["disk_free_bytes"]) == (200, "ok", None)  # the store is in memory

    async def fail() -> str:
        return "the disk is gone"

    with monkeypatch.context() as patch:
        patch.setattr(relay.journal, "check", fail)
        async with client.get("/readyz") as answer:
            assert (answer.status, (await answer.json())["status"]) == (503, "the disk is gone")
    relay.context.stopping = True
    async with client.get("/readyz") as answer:
        assert (answer.status, (await answer.json())["status"]) == (503, "stopping")
    relay.context.tasks._supervisor.draining = True
    async with client.get("/readyz") as answer:
        assert (answer.status, (await answer.json())["status"]) == (503, "draining")
    async with client.get("/livez") as answer:
        assert answer.status == 200


@pytest.fixture
async def document(client: aiohttp.ClientSession) -> Json:
    async with client.get("/openapi.json") as answer:
        assert answer.content_type == "application/json"
        found: Json = await answer.json()
        return found


def refs(value: object) -> Iterator[str]:
    """Yield all references in a document."""
    match value:
        case dict():
            if isinstance(value.get("$ref"), str):
                yield value["$ref"]
            for part in value.values():
                yield from refs(part)
        case list():
            for part in value:
                yield from refs(part)
        case _:
            pass


async def test_the_document_has_all_routes_of_the_api(document: Json, relay: Running) -> None:
    """And no others."""
    resources = application(relay.context).router.routes()
    served = {
        (route.method.lower(), route.resource.canonical)
        for route in resources
        if route.resource is not None and route.method in ("DELETE", "GET", "POST")
    }
    documented = {(method, path) for path, calls in document["paths"].items() for method in calls}

    assert {call for call in served if call[1].startswith("/v1/")} <= documented
    assert documented <= served


async def test_the_document_is_well_formed(document: Json) -> None:
    """OpenAPI 3.1: references resolve, parameters match the path, and responses have descriptions."""
    assert document["openapi"].startswith("3.1.")
    assert {"title", "version"} <= set(document["info"])
    schemas = document["components"]["schemas"]
    assert set(refs(document)) <= {f"#/components/schemas/{name}" for name in schemas}
    operations = [(path, operation) for path, calls in document["paths"].items() for operation in calls.values()]
    assert len({operation["operationId"] for _, operation in operations}) == len(operations)
    for path, operation in operations:
        named = [each["name"] for each in operation["parameters"] if each["in"] == "path"]
        assert named == re.findall(r"{(\w+)}", path)
        assert all(each["required"] for each in operation["parameters"] if each["in"] == "path")
        assert all("schema" in each for each in operation["parameters"])
        assert operation["responses"]
        for status, response in operation["responses"].items():
            assert re.fullmatch(r"[1-5]\d\d|default", status)
            assert response["description"]
        for scheme in operation["security"]:
            assert set(scheme) <= set(document["components"]["securitySchemes"])


async def test_the_document_has_all_errors_of_a_route(document: Json) -> None:
    """Each status of an error is a problem that lists its codes. Internal errors are `default`."""
    for call in ROUTES:
        responses = document["paths"][call.path][call.method]["responses"]
        for code in call.errors:
            response = responses[str(STATUS[code])]
            assert code.value in response["description"]
            assert set(response["content"]) == {"application/problem+json"}
        assert call.public or "default" in responses


def test_pages_have_no_absolute_paths() -> None:
    """References are relative to the page, so that the relay works under any path."""
    for path in STATIC.rglob("*.html"):
        assert not re.search(r'(?:href|src|action)="/', path.read_text(encoding="utf-8")), path.name


def test_styles_work_in_the_oldest_supported_browsers() -> None:
    """Features that Chrome 105, Firefox 110 or Safari 16.4 lack are in `@supports` or have a fallback before them."""
    supports = re.compile(r"@supports [^{]*\{(?:[^{}]*\{(?:[^{}]|\{[^{}]*\})*\})*[^{}]*\}")
    for path in sorted(STATIC.rglob("*.css")):
        css = supports.sub("", re.sub(r"/\*.*?\*/", "", path.read_text(encoding="utf-8"), flags=re.DOTALL))
        assert not re.search(r"light-dark\(|color-mix\(|:\s*subgrid|:has\(|&", css), path.name
        for declaration in re.findall(r"^ *([\w-]+): .*(?:dvh|/ \"\");$", css, re.MULTILINE):
            assert re.search(rf"^ *{declaration}: .*;\n *{declaration}: .*(?:dvh|/ \"\");$", css, re.MULTILINE), (
                path.name
            )
