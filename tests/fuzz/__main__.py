"""Coverage-guided fuzzing: `python -m tests.fuzz --minutes 60` divides the time between all targets."""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.fuzz.target import ODD, Target
from tests.fuzz.targets import TARGETS

SLOWEST_S = 10
"""An input that takes longer is a failure: sending it would block the relay."""


def main() -> None:
    """Fuzz the targets; exit with 1 if one failed, and print where its input is."""
    parser = argparse.ArgumentParser(prog="fuzz")
    parser.add_argument("--minutes", type=float, default=10.0, help="total duration")
    parser.add_argument("--target", choices=[each.name for each in TARGETS], help="fuzz only this target")
    given = parser.parse_args()
    targets = [each for each in TARGETS if given.target in (None, each.name)]
    share_s = max(1, round(given.minutes * 60 / len(targets)))
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    failed = [each.name for each in targets if not fuzz(each, folder / each.name, share_s)]
    if failed:
        sys.exit(f"Failed: {', '.join(failed)}. Their inputs are in {folder}.")


def fuzz(target: Target, folder: Path, seconds: int) -> bool:
    """Fuzz one target for this time, and return whether it passed."""
    corpus, words = folder / "corpus", folder / "words"
    corpus.mkdir(parents=True)
    for number, seed in enumerate(target.seeds):
        (corpus / f"seed-{number}").write_bytes(seed)
    words.write_text("".join(f'"{_escaped(word)}"\n' for word in (*target.words, *ODD) if word), encoding="ascii")
    sys.stdout.write(f"{target.name}: {seconds} s\n")
    sys.stdout.flush()
    command = [sys.executable, "-m", "tests.fuzz.under_atheris", target.name, str(corpus), f"-dict={words}"]
    command += [f"-max_total_time={seconds}", f"-timeout={SLOWEST_S}", f"-artifact_prefix={folder}/", "-verbosity=0"]
    with (folder / "output").open("wb") as output:
        passed = (
            subprocess.run([*command, "-print_final_stats=1"], stdout=output, stderr=output, check=False).returncode
            == 0
        )
    lines = (folder / "output").read_text(encoding="utf-8", errors="replace").splitlines()
    shown = [
        line for line in lines if line.startswith("stat::number_of_executed_units") or not (passed or "INFO:" in line)
    ]
    sys.stdout.write("\n".join([*shown, ""]))
    return passed


def _escaped(word: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word)


if __name__ == "__main__":
    main()
