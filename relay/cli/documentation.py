"""Where the documentation is on the web, from the metadata of the installed package."""

from importlib.metadata import PackageNotFoundError, metadata


def page(name: str) -> str:
    """Return the URL of a page, such as `cli.md#relay-check`; in a checkout that is not installed, its path."""
    return f"{_root()}/{name}"


def _root() -> str:
    try:
        urls = metadata("generation-relay").get_all("Project-URL", [])
    except PackageNotFoundError:
        return "docs"
    by_label: dict[str, str] = dict(each.split(", ", 1) for each in urls)
    return by_label["Documentation"]
