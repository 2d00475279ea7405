"""Why a copy was not made."""


class CopyFailed(Exception):
    """A later attempt may succeed. The message is a sentence that says what happened."""


class CopyRefused(CopyFailed):
    """Another attempt would fail, too."""
