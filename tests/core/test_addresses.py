"""The addresses of results at the relay."""

from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from relay.core.addresses import href, with_hrefs
from relay.core.events import Output


def test_files_have_addresses_and_answers_have_none() -> None:
    """The number is the position among all results."""
    inline = Output(content_type="image/png", url="data:image/png;base64,AAAA")
    answer = Output(content_type="raw", content={"answer": ["Hello."]})
    picture = Output(content_type="image/png", name="a b/ü?.png", url="https://cdn.example/x")
    first, second, third = with_hrefs("t1", (answer, picture, inline))
    assert (first, third) == (answer, inline)
    assert second.href == "/v1/tasks/t1/outputs/1/a-b-%C3%BC-.png"


def test_a_name_is_optional() -> None:
    """It may also have nothing that can be in an address."""
    for name in (None, "", "..", "/", "?"):
        assert href("t1", 0, name) == "/v1/tasks/t1/outputs/0/file"


@given(st.text())
def test_any_name_gives_one_segment_of_a_path(name: str) -> None:
    """Browsers and proxies leave it as it is."""
    address = URL(f"http://relay.example{href('t1', 3, name)}")
    assert address.parent.path == "/v1/tasks/t1/outputs/3"
    assert address.name not in ("", ".", "..")
    assert address.raw_path == href("t1", 3, name)
