"""Fuzz one target with atheris: `python -m tests.fuzz.under_atheris NAME [libFuzzer arguments]`."""

import sys
import warnings

import atheris

warnings.simplefilter("error")  # as under pytest; the relay disables some when it is imported
warnings.simplefilter("ignore", ResourceWarning)  # libFuzzer exits without cleaning up

with atheris.instrument_imports(include=["relay", "jwt", "json", "email", "aiohttp"]):
    from relay import log
    from tests.fuzz.targets import TARGETS


def main() -> None:
    """Fuzz until libFuzzer exits the process: after its time limit, or on a failure."""
    log.configure(level="error")
    name, *arguments = sys.argv[1:]
    (target,) = [each for each in TARGETS if each.name == name]
    atheris.Setup([sys.argv[0], *arguments], target.try_out)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
