"""Show AI generations live in a browser: start a task, follow it upstream, tell its story to every viewer."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("relay")
except PackageNotFoundError:  # run from a checkout that was never installed
    __version__ = "0+checkout"
