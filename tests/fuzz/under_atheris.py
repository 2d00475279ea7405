"""One target under atheris: `python -m tests.fuzz.under_atheris NAME [libFuzzer's own arguments]`. It never returns."""

import sys
import warnings

import atheris

warnings.simplefilter("error")  # as under pytest, but for those that the relay itself turns off when it is imported
warnings.simplefilter("ignore", ResourceWarning)  # libFuzzer ends the process where it stands

with atheris.instrument_imports(include=["relay", "jwt", "json", "email", "aiohttp"]):
    from relay import log
    from tests.fuzz.targets import TARGETS


def main() -> None:
    """Fuzz until libFuzzer is told to end, or until something is wrong: then it ends with its own exit code."""
    log.configure(level="error")
    name, *arguments = sys.argv[1:]
    (target,) = [each for each in TARGETS if each.name == name]
    atheris.Setup([sys.argv[0], *arguments], target.try_out)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
