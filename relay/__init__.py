"""Start AI generation tasks, follow them on their platform, and stream their events to browsers."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("generation-relay")
except PackageNotFoundError:  # a checkout that is not installed
    __version__ = "0+checkout"
