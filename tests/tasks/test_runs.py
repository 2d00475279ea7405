"""What is sent for a stored task: the input that was checked when it was started."""

from pathlib import Path

import pytest

from relay.catalogue.catalogue import load
from relay.core.upstream import CheckedInput, File
from relay.files.spool import Spool
from relay.journal.base import StoredTask
from relay.tasks.runs import Runs
from tests.tasks.support import CHECKED, MODEL

FILE = File(input="x", filename="x", content_type="x/x", size_bytes=1, sha256="", path=Path("upload/0"))


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path, file_limit_bytes=1, limit_bytes=1)


def stored(checked: CheckedInput | None, *files: File) -> StoredTask:
    return StoredTask(
        id="task",
        provider="wiro",
        model=MODEL,
        created_at=1.0,
        input={"prompt": "a cat"},
        checked=checked,
        files=files,
        metadata={},
        hook="word",
    )


def test_the_checked_input_is_sent_as_it_was_stored(spool: Spool, tmp_path: Path) -> None:
    """Even if the catalogue has changed since. Files are read from the spool."""
    checked = CheckedInput(model="O/m", input={"size": "1K"})
    run = Runs(load(), spool, None).run_of(stored(checked, FILE))

    assert (run.model, run.input, run.callback_url) == ("O/m", {"size": "1K"}, None)
    assert [file.path for file in run.files] == [tmp_path / "upload/0"]


def test_the_input_that_an_older_version_stored_is_checked_now(spool: Spool) -> None:
    """With the catalogue of this version."""
    run = Runs(load(), spool, None).run_of(stored(None))
    assert run.input == CHECKED


@pytest.mark.parametrize("public_url", ["https://relay.example", "https://relay.example/"])
def test_a_relay_with_a_public_url_is_called_back(spool: Spool, public_url: str) -> None:
    """The address has the task's secret."""
    run = Runs(load(), spool, public_url).run_of(stored(None))
    assert run.callback_url == "https://relay.example/hooks/wiro/word"
