"""The pages and the documents about the relay: what a browser may do with them, and that they are true."""

import re
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest

from relay.app import Running
from relay.web.api.contract import CALLS
from relay.web.application import application
from relay.web.http.problems import STATUS
from relay.web.pages import FILES, STATIC

Json = dict[str, Any]

PAGES = {"/": "'none'", "/t/x": "'none'", "/inspect/x": "'none'", "/embed/x": "'self'"}


@pytest.mark.parametrize(("path", "ancestors"), PAGES.items())
async def test_a_page_may_load_and_be_embedded_only_as_its_policy_says(
    client: aiohttp.ClientSession, relay: Running, path: str, ancestors: str
) -> None:
    """Scripts and styles of our own, pictures from where the operator allows, and no frame but the one for it."""
    async with client.get(path) as answer:
        policy = dict(part.strip().partition(" ")[::2] for part in answer.headers["Content-Security-Policy"].split(";"))
        html = await answer.text()

    assert answer.status == 200
    assert answer.content_type == "text/html"
    assert answer.headers["Cache-Control"] == "no-cache"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == ancestors
    assert relay.context.config.media_sources in policy["img-src"]
    assert not re.search(r"<script>|<style>|\son\w+=|\sstyle=", html)


async def test_every_static_file_can_be_had_from_any_page_and_is_asked_for_anew(client: aiohttp.ClientSession) -> None:
    """Somebody else's page imports the element; two versions of our modules never mix."""
    assert "relay.js" in FILES
    for name in FILES:
        async with client.get(f"/static/{name}", headers={"Origin": "https://else.example"}) as answer:
            assert answer.status == 200
            assert answer.headers["Access-Control-Allow-Origin"] == "*"
            assert answer.headers["Timing-Allow-Origin"] == "*"
            assert answer.headers["Cache-Control"] == "no-cache"
            etag = answer.headers["ETag"]
        async with client.get(f"/static/{name}", headers={"If-None-Match": etag}) as answer:
            assert answer.status == 304


async def test_a_module_has_the_type_that_browsers_insist_on(client: aiohttp.ClientSession) -> None:
    """A module of another type is not run."""
    async with client.get("/static/relay.js") as answer:
        assert answer.content_type in ("text/javascript", "application/javascript")


async def test_an_allowed_origin_gets_exactly_its_own_cors_headers(
    client: aiohttp.ClientSession, relay: Running
) -> None:
    """The preflight and the call name that origin and no other; a foreign one is refused and named nowhere."""
    parts, origin = relay.context, "https://app.example"
    parts.config = parts.config.model_copy(update={"allowed_origins": (origin,)})
    asks = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    async with client.options("/v1/tasks", headers={"Origin": origin} | asks) as answer:
        cors = {name: value for name, value in answer.headers.items() if name.startswith("Access-Control")}
        assert answer.status == 204
        assert answer.headers["Vary"] == "Origin"
        assert cors == {
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Allow-Methods": "GET, POST",
            "Access-Control-Allow-Headers": "Authorization, Content-Type, Idempotency-Key, Last-Event-ID",
            "Access-Control-Max-Age": "600",
            "Access-Control-Expose-Headers": "Retry-After",
        }
    async with client.get("/v1/tasks/nobody", headers={"Origin": origin}) as answer:
        assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (404, origin)
        assert answer.headers["Access-Control-Expose-Headers"] == "Retry-After"
    for foreign in ("https://evil.example", "null", "https://app.example.evil", "http://app.example", "http://["):
        for method in ("OPTIONS", "GET"):
            async with client.request(method, "/v1/tasks", headers={"Origin": foreign} | asks) as answer:
                assert answer.status == 403
                assert answer.headers["Content-Type"] == "application/problem+json"
                assert "Access-Control-Allow-Origin" not in answer.headers


async def test_ready_says_no_while_draining_and_live_says_yes(
    client: aiohttp.ClientSession, relay: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A balancer stops sending tasks; nobody kills the process for it. A store that fails is not ready either."""
    async with client.get("/readyz") as answer:
        assert (answer.status, (await answer.json())["status"]) == (200, "ok")

    async def fail() -> str:
        return "the disk is gone"

    with monkeypatch.context() as patch:
        patch.setattr(relay.context.journal, "check", fail)
        async with client.get("/readyz") as answer:
            assert (answer.status, (await answer.json())["status"]) == (503, "the disk is gone")
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
    """Yield every reference in a document."""
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


async def test_the_document_has_every_call_of_the_application(document: Json, relay: Running) -> None:
    """No route of the API is missing, and none is made up."""
    resources = application(relay.context).router.routes()
    served = {
        (route.method.lower(), route.resource.canonical)
        for route in resources
        if route.resource is not None and route.method in ("GET", "POST")
    }
    documented = {(method, path) for path, calls in document["paths"].items() for method in calls}

    assert {call for call in served if call[1].startswith("/v1/")} <= documented
    assert documented <= served


async def test_the_document_is_well_formed(document: Json) -> None:
    """OpenAPI 3.1: every reference leads somewhere, parameters fit their path, answers are described."""
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


async def test_every_problem_that_a_call_can_have_is_in_the_document(document: Json) -> None:
    """Each status of a refusal is a problem, with the codes that have it; what is left is `default`."""
    for call in CALLS:
        responses = document["paths"][call.path][call.method]["responses"]
        for code in call.refusals:
            response = responses[str(STATUS[code])]
            assert code.value in response["description"]
            assert set(response["content"]) == {"application/problem+json"}
        assert call.open or "default" in responses


def test_no_page_has_an_absolute_path() -> None:
    """What a page loads or links to is found from where the page is, so that it works under any path."""
    for path in STATIC.rglob("*.html"):
        assert not re.search(r'(?:href|src|action)="/', path.read_text(encoding="utf-8")), path.name


def test_styles_work_in_the_oldest_browsers_that_are_supported() -> None:
    """What Chrome 105, Firefox 110 and Safari 16.0 do not know stands in `@supports`, or after what they know."""
    supports = re.compile(r"@supports [^{]*\{(?:[^{}]*\{(?:[^{}]|\{[^{}]*\})*\})*[^{}]*\}")
    for path in sorted(STATIC.rglob("*.css")):
        css = supports.sub("", re.sub(r"/\*.*?\*/", "", path.read_text(encoding="utf-8"), flags=re.DOTALL))
        assert not re.search(r"light-dark\(|color-mix\(|:\s*subgrid|:has\(|&", css), path.name
        for declaration in re.findall(r"^ *([\w-]+): .*(?:dvh|/ \"\");$", css, re.MULTILINE):
            assert re.search(rf"^ *{declaration}: .*;\n *{declaration}: .*(?:dvh|/ \"\");$", css, re.MULTILINE), (
                path.name
            )
