"""What is sent to the provider for a stored task."""

from relay.catalogue.catalogue import Catalogue
from relay.catalogue.check import Offer
from relay.core.upstream import CheckedInput, Run
from relay.files.spool import Spool
from relay.journal.base import StoredTask


class Runs:
    """Builds the run of each task."""

    def __init__(self, catalogue: Catalogue, spool: Spool, public_url: str | None) -> None:
        """
        Args:
            catalogue: checks the input of tasks that a relay before schema 5 stored unchecked.
            spool: holds the files of tasks.
            public_url: where platforms can reach the relay. Null: runs have no callback URL.
        """
        self._catalogue = catalogue
        self._spool = spool
        self._public_url = public_url

    def run_of(self, stored: StoredTask) -> Run:
        """Return the run that starts a task: its checked input, its files and its callback address."""
        checked = stored.checked or self._check(stored)
        callback_url = None
        if self._public_url is not None and stored.hook is not None:
            callback_url = f"{self._public_url.rstrip('/')}/hooks/{stored.provider}/{stored.hook}"
        files = self._spool.located(stored.files)
        return Run(model=checked.model, input=checked.input, files=files, callback_url=callback_url)

    def _check(self, stored: StoredTask) -> CheckedInput:
        offers = [Offer(input=file.input, content_type=file.content_type) for file in stored.files]
        model, sent = self._catalogue.sent(stored.provider, stored.model, stored.input, offers)
        return CheckedInput(model=model, input=sent)
