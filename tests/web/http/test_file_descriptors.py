"""The number of open file descriptors, where the system reports it, where it lists them, and elsewhere."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from relay.web.http import file_descriptors
from relay.web.http.file_descriptors import FOLDER, LISTED_FOR_S, Descriptors, OpenFiles

linux = pytest.mark.skipif(not FOLDER.exists(), reason="only Linux has /proc")
LIMIT = 1000
OPENED = 20


@pytest.fixture
def gaps() -> Iterator[int]:
    """Open descriptors, close the lower half of them, and return how many stay open."""
    opened = [os.open(os.devnull, os.O_RDONLY) for _ in range(OPENED)]
    for descriptor in opened[: OPENED // 2]:
        os.close(descriptor)
    yield OPENED // 2
    for descriptor in opened[OPENED // 2 :]:
        os.close(descriptor)


def listed() -> int:
    return len(list(FOLDER.iterdir())) - 1


@linux
@pytest.mark.parametrize("reports", [True, False])
def test_open_files_are_counted_in_spite_of_gaps(gaps: int, reports: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lowest free number is below the gap, so it says too little."""
    if not reports:
        monkeypatch.setattr(file_descriptors, "_reported", lambda: 0)
    descriptors = Descriptors(LIMIT)
    assert OpenFiles(descriptors, lambda: 0.0).count() == listed()
    assert descriptors._lowest_free() <= listed() - gaps


@linux
def test_a_list_is_used_for_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading it takes time on a relay with many connections."""
    monkeypatch.setattr(file_descriptors, "_reported", lambda: 0)
    monkeypatch.setattr(Descriptors, "_lowest_free", lambda _self: 0)
    now = 0.0
    files = OpenFiles(Descriptors(LIMIT), lambda: now)
    before = files.count()
    with Path(os.devnull).open("rb"):
        assert files.count() == before
        now += LISTED_FOR_S
        assert files.count() == before + 1


def test_elsewhere_it_is_the_lowest_number_that_is_free(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Other systems have no such folder."""
    monkeypatch.setattr(file_descriptors, "FOLDER", tmp_path / "missing")
    descriptors = Descriptors(LIMIT)
    assert OpenFiles(descriptors, lambda: 0.0).count() == descriptors.in_use() == descriptors._lowest_free()
