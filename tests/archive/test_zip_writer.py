"""ZIP archives that are written piece by piece."""

import io
from zipfile import ZipFile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.archive.zip_writer import ZipWriter, unique_names

FILES = st.lists(st.tuples(st.lists(st.binary(max_size=2000), max_size=4), st.booleans()), max_size=5)


@given(files=FILES)
def test_an_archive_has_what_was_written(files: list[tuple[list[bytes], bool]]) -> None:
    """Whether the sizes are known or not."""
    writer = ZipWriter(1_700_000_000.0)
    sent = b""
    for number, (chunks, is_known) in enumerate(files):
        sent += writer.begin(f"{number}.bin", sum(map(len, chunks)) if is_known else None)
        for chunk in chunks:
            sent += writer.write(chunk)
        sent += writer.end()
    sent += writer.finish()

    with ZipFile(io.BytesIO(sent)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [f"{number}.bin" for number in range(len(files))]
        assert [archive.read(name) for name in archive.namelist()] == [b"".join(chunks) for chunks, _ in files]


@pytest.mark.parametrize(
    ("given_names", "names"),
    [
        (["a.png", "a.png", "A.PNG"], ["a.png", "a (2).png", "A (3).PNG"]),
        (["../../etc/passwd", "C:\\x|y.png"], ["_.._etc_passwd", "C__x_y.png"]),
        ([None, "", "..", ".hidden"], ["result-0", "result-1", "result-2", "hidden"]),
    ],
)
def test_names_are_safe_and_unique(given_names: list[str | None], names: list[str]) -> None:
    """None of them leaves the folder, or replaces another file on a system that ignores case."""
    assert unique_names(given_names) == names


@given(names=st.lists(st.none() | st.text(max_size=200), max_size=8))
def test_any_names_become_safe_and_unique(names: list[str | None]) -> None:
    found = unique_names(names)

    assert len({name.casefold() for name in found}) == len(names)
    assert not any(set(name) & set('/\\\0:*?"<>|') or name.startswith(".") for name in found)
