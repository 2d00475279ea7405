"""Tests for outputs in every shape: all displayable results with their types, and no executable URL.

The modules `media_types`, `llm_answers` and `lenient_json` are tested here too.
"""

import json
from itertools import product
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.core.events import Output
from relay.providers.outputs import read, read_files

CDN = "https://cdn.example.com"
PNG = {"name": "a.png", "contenttype": "image/png", "size": "10", "url": f"{CDN}/a.png"}
PICTURE = Output(content_type="image/png", name="a.png", size=10, url=f"{CDN}/a.png")


def one(value: object) -> Output:
    (output,) = read(value)
    return output


@pytest.mark.parametrize(
    ("entry", "kind"),
    [
        ({"url": f"{CDN}/out/pic.png?X=1"}, "image/png"),
        ({"name": "x", "url": f"{CDN}/v.mp4"}, "video/mp4"),
        ({"name": "x.webp", "url": f"{CDN}/download"}, "image/webp"),
        ({"name": "x.webp", "url": f"{CDN}/a.png"}, "image/webp"),
        ({"url": f"{CDN}/A.PNG"}, "image/png"),
        ({"url": f"{CDN}/a%2Epng"}, "image/png"),
        ({"url": f"{CDN}/a.jpg@400w"}, "image/jpeg"),
        ({"url": f"{CDN}/a.png~tplv-abc.image"}, "image/png"),
        ({"url": f"{CDN}/a.avif#t=1"}, "image/avif"),
        ({"url": f"{CDN}/view?filename=a_0001.png&type=output"}, "image/png"),
        ({"url": f"{CDN}/a?format=webp"}, "image/webp"),
        ({"url": f"{CDN}/a?response-content-type=video%2Fmp4"}, "video/mp4"),
        ({"url": f"{CDN}/a?next=b.json"}, "application/octet-stream"),
        ({"url": f"{CDN}/"}, "application/octet-stream"),
        ({"url": CDN}, "application/octet-stream"),
        ({"url": f"{CDN}/model.glb"}, "model/gltf-binary"),
        ({"url": f"{CDN}/a.svg.gz"}, "application/gzip"),
        ({"url": f"{CDN}/a.unknown"}, "application/octet-stream"),
        ({"url": "https://[broken/a.png"}, "application/octet-stream"),
    ],
)
def test_a_type_follows_from_the_name_and_else_from_the_address(entry: dict[str, str], kind: str) -> None:
    """The query is used if the path has no extension."""
    assert one([entry]).content_type == kind


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("image/png", "image/png"),
        ("image/PNG; charset=x", "image/png"),
        (" IMAGE/WebP ", "image/webp"),
        ("png", "image/png"),
        ("PNG", "image/png"),
        (".png", "image/png"),
        ("jpg", "image/jpeg"),
        ("image/jpg", "image/jpeg"),
        ("mp4", "video/mp4"),
        ("application/x-new", "application/x-new"),
        ("image", "image/gif"),
        ("image/*", "image/gif"),
        ("video", "video/*"),
        ("application/octet-stream", "image/gif"),
        ("binary/octet-stream", "image/gif"),
        ("application/unknown", "image/gif"),
        ("APPLICATION/Octet-Stream; x=y", "image/gif"),
        ("file", "image/gif"),
        ("raw", "image/gif"),
        ("???", "image/gif"),
        ("<b>/<i>", "image/gif"),
        ("", "image/gif"),
        (None, "image/gif"),
    ],
)
def test_a_content_type_counts_before_everything_where_it_says_anything(said: str | None, kind: str) -> None:
    """A bare extension is a type; a generic type is ignored in favour of the file name."""
    assert one([{"name": "a.gif", "contenttype": said, "url": f"{CDN}/a.bin"}]).content_type == kind


KINDS = ("contenttype", "contentType", "content_type", "Content-Type", "mimetype", "mime_type")
URLS = ("url", "URL", "fileurl", "fileUrl", "file_url", "uri", "href", "downloadUrl")
NAMES = ("name", "filename", "fileName", "file_name")
SIZES = ("size", "fileSize", "file_size")


def test_a_field_has_many_spellings() -> None:
    """These names occur in clients of the platforms, in any combination."""
    for kind, url, name, size in product(KINDS, URLS, NAMES, SIZES):
        entry = {kind: "image/png", url: f"{CDN}/a.png", name: "a.png", size: 10}
        assert one([entry]) == PICTURE, entry


@pytest.mark.parametrize(
    "value",
    [
        PNG,
        [PNG],
        [[PNG]],
        json.dumps([PNG]),
        json.dumps(PNG),
        json.dumps(json.dumps([PNG])),
        [json.dumps(PNG)],
        {"0": PNG},
        {"outputs": [PNG]},
        {"image": PNG, "seed": 7},
        [{}, None, "", PNG, []],
        {"images": [PNG], "count": 1},
        [{"data": PNG}],
    ],
)
def test_one_file_is_found_in_every_shape(value: object) -> None:
    """A list, an object in place of a list, nested ones, and JSON in a string, also encoded twice."""
    assert read(value) == (PICTURE,)


@pytest.mark.parametrize(
    ("said", "url"),
    [
        (f"{CDN}/a.png", f"{CDN}/a.png"),
        (f" {CDN}/a.png\n", f"{CDN}/a.png"),
        ("HTTPS://cdn.example.com/a.png", "HTTPS://cdn.example.com/a.png"),
        ("//cdn.example.com/a.png", f"{CDN}/a.png"),
        ("cdn.example.com/a.png", f"{CDN}/a.png"),
        ("cdn.example.com:8443/a.png?b=c", "https://cdn.example.com:8443/a.png?b=c"),
        ("http://127.0.0.1:1/a.png", "http://127.0.0.1:1/a.png"),
    ],
)
def test_a_bare_address_is_a_result(said: str, url: str) -> None:
    """It is named after the last part of its path, and equals one in an object."""
    picture = Output(content_type="image/png", name="a.png", url=url)

    assert read([said]) == read(said) == read([{"url": said}]) == read_files([said]) == (picture,)


def test_several_addresses_may_stand_in_one_text() -> None:
    """They are separated by commas or line breaks; a URL may contain a comma."""
    urls = [f"{CDN}/a.png", f"{CDN}/b.png"]

    assert [output.url for output in read(", ".join(urls))] == urls
    assert [output.url for output in read(["\n".join(urls)])] == urls
    assert one(f"{CDN}/a,b.png").url == f"{CDN}/a,b.png"


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "JavaScript:alert(1)//cdn.example.com/a.png",
        " java\nscript:alert(1)",
        "\x01javascript:alert(1)",
        "data:text/html,<script>alert(1)</script>",
        "data:image/png;base64,AAAA",
        "vbscript:x",
        "blob:https://cdn.example.com/a",
        "file:///etc/passwd",
    ],
)
def test_an_address_that_a_browser_would_run_never_gets_through(url: str) -> None:
    """This holds for every field and shape; the name of the file is kept."""
    for value in ([url], url, {"url": url}, [{"href": url}], {"0": {"link": url}}, {"image": url}, {"urls": [url]}):
        assert read(value) == ()
    assert read([{"name": "a.png", "url": url}]) == (Output(content_type="image/png", name="a.png"),)


@pytest.mark.parametrize(
    "value", [None, "", " ", "null", [], "[]", {}, "{}", [{}, [], ""], "[half", '{"half', 0, False]
)
def test_what_says_nothing_is_nothing(value: object) -> None:
    """All of these occur before the end of a task."""
    assert read(value) == read_files(value) == ()


@pytest.mark.parametrize(
    ("entry", "content"),
    [
        ("Hello", {"raw": "Hello"}),
        ("Data: five rows", {"raw": "Data: five rows"}),
        ('"Hello"', {"raw": '"Hello"'}),
        ({"content": "Hello"}, {"raw": "Hello"}),
        ({"content": ["a", "b"]}, {"answer": ["a", "b"]}),
        ({"content": [{"type": "answer", "text": "a"}]}, {"segments": [{"type": "answer", "text": "a"}]}),
        ({"content": json.dumps({"answer": ["a"]})}, {"answer": ["a"]}),
        ({"answer": ["a"]}, {"answer": ["a"]}),
        ({"segments": [{"type": "answer", "text": "a"}]}, {"segments": [{"type": "answer", "text": "a"}]}),
        ({"text": "a"}, {"text": "a", "answer": ["a"]}),
        ({"content": {"message": "<answer>a</answer>"}}, {"message": "a", "answer": ["a"]}),
        ({"contenttype": "text/plain", "content": {"raw": "a"}}, {"raw": "a"}),
        ({"label": "cat", "score": 0.9, "id": "7", "accesskey": "k", "url": None}, {"label": "cat", "score": 0.9}),
    ],
)
def test_what_can_be_read_is_a_result_without_a_file(entry: object, content: dict[str, Any]) -> None:
    """Undocumented shapes are shown too; the access key of a file never is."""
    assert read([entry]) == (Output(content_type="raw", content=content),)


@pytest.mark.parametrize("label", ["cat", r"\ud83d"])
def test_an_integer_beyond_64_bits_becomes_a_float(label: str) -> None:
    """The journal cannot store it as an integer. Half an emoji is read by another decoder, which does the same."""
    content = one(f'{{"label":"{label}","count":{2**64}}}').content

    assert content is not None
    assert orjson.loads(orjson.dumps(content))["count"] == 2.0**64


def test_a_result_that_is_nested_too_deeply_is_left_out() -> None:
    """A file may be in up to 32 lists; a file is kept without content that the journal cannot store."""

    def nested(value: object, levels: int) -> object:
        return value if levels == 0 else [nested(value, levels - 1)]

    assert read(nested(PNG, 31)) == (PICTURE,)
    assert read(nested(PNG, 32)) == ()
    assert read([{"content": {"seed": nested(7, 100)}}]) == ()
    assert read([{**PNG, "content": {"seed": nested(7, 100)}}]) == (PICTURE,)


def test_an_answer_may_come_with_files() -> None:
    """Both are results; a URL within an answer is part of the answer."""
    text = Output(content_type="raw", content={"answer": f"{CDN}/b.png"})

    assert read([{"answer": f"{CDN}/b.png", "images": [PICTURE.url]}]) == (
        Output(content_type="image/png", name="a.png", url=PICTURE.url),
        text,
    )
    assert read({"message": [PNG]}) == (PICTURE,)


def test_text_is_no_file() -> None:
    """If only files are expected, text that is not a URL is left out."""
    assert read_files(["Hello", {"text": "Hello"}, 7]) == ()


class TestAnswers:
    """Tests for answers in wrapper tags."""

    @pytest.mark.parametrize(
        ("content", "shown"),
        [
            ({"raw": "<answer>Hi</answer>"}, {"raw": "Hi", "answer": ["Hi"]}),
            ({"raw": "<think>hm</think>Hi"}, {"raw": "hm\n\nHi", "thinking": ["hm"], "answer": ["Hi"]}),
            (
                {"raw": "<think>hm</think>Hi", "thinking": ["hm"], "answer": ["<answer>Hi</answer>"]},
                {"raw": "hm\n\nHi", "thinking": ["hm"], "answer": ["Hi"]},
            ),
            ({"answer": "<answer>Hi"}, {"answer": "Hi"}),
            ({"answer": ["<think>hm</think>Hi"]}, {"answer": ["Hi"], "thinking": ["hm"]}),
            ({"answer": ["<think>hm</think>Hi"], "thinking": ["hm"]}, {"answer": ["Hi"], "thinking": ["hm"]}),
            ({"thinking": ["<thinking>hm</thinking>"], "answer": []}, {"thinking": ["hm"], "answer": []}),
            ({"answer": '["red"]'}, {"answer": '["red"]'}),
            ({"answer": ["Put it in <answer>."]}, {"answer": ["Put it in <answer>."]}),
            ({"prompt": "<answer>?</answer>", "answer": ["a"]}, {"answer": ["a"]}),
            (
                {"segments": [{"type": "answer", "text": "<think>hm</think><answer>Hi</answer>", "id": "1"}]},
                {
                    "segments": [
                        {"type": "thinking", "text": "hm", "id": "1"},
                        {"type": "answer", "text": "Hi", "id": "1"},
                    ]
                },
            ),
            (
                {"segments": [{"type": "function_call", "name": "look", "arguments": "<answer>"}]},
                {"segments": [{"type": "function_call", "name": "look", "arguments": "<answer>"}]},
            ),
            ({"message": {"role": "assistant", "content": "Hi"}}, None),
        ],
    )
    def test_a_wrapper_is_taken_off_wherever_the_answer_lies(
        self, content: dict[str, Any], shown: dict[str, Any] | None
    ) -> None:
        """In lists, segments, `raw` and other fields; prompts and tool calls are unchanged."""
        expected = shown if shown is not None else {**content, "answer": ["Hi"]}

        assert one([{"contenttype": "raw", "content": content}]).content == expected


INTEGERS = st.integers(-(2**63), 2**64 - 1)  # beyond these, the decoder returns floats
JSON = st.recursive(
    st.none() | st.booleans() | INTEGERS | st.floats() | st.text(max_size=20) | st.just(f"{CDN}/a.png"),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["url", "name", "content", "type", "raw", "answer"]) | st.text(), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(JSON | JSON.map(json.dumps), st.integers(0, 2))
def test_any_json_is_read_and_can_be_written(value: object, wrapped: int) -> None:
    """Any value, encoded any number of times."""
    for _ in range(wrapped):
        value = json.dumps(value)
    orjson.dumps(read(value))
    assert all(output.url for output in read_files(value) if output.content is None and output.name is None)


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 9).map(lambda number: f"{CDN}/{number}.png"), min_size=1, max_size=6),
    st.lists(st.sampled_from(["list", "object", "entry", "json", "named"]), max_size=5),
)
def test_no_result_is_lost(urls: list[str], shapes: list[str]) -> None:
    """In any nesting, each URL becomes one file, in order."""
    value: Any = list(urls)
    for shape in shapes:
        match shape:
            case "list":
                value = [value]
            case "object":
                value = {"images": value}
            case "entry":
                value = [{"url": each} if isinstance(each, str) and each.startswith("http") else each for each in value]
            case "json":
                value = json.dumps(value)
                value = [value]
            case _:
                value = {"0": value, "seed": 7, "prompt": "a cat", "id": "8"}
        if isinstance(value, dict):
            value = [value]

    assert [output.url for output in read(value)] == urls
    assert {output.content_type for output in read(value)} == {"image/png"}
