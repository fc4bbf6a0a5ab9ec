"""Simulate micrographs, run the whole loop on them without telling it the truth, print the score against the truth.

usage: python examples/demo.py [FOLDER]        default: demo-out
"""

import shlex
import subprocess
import sys
from pathlib import Path

DIAMETER, PIXEL_SIZE = 120, 3.0
MICROGRAPHS = 8


def main(folder: Path) -> None:
    """Run the demo in a folder; what is there is gone on with."""
    simulated, run = folder / "simulated", folder / "run"
    cryoglean(
        *("simulate", "--model", "test:450kDa:D2", "--micrographs", MICROGRAPHS, "--out", simulated),
        *("--size", "1024x1024", "--pixel-size", PIXEL_SIZE, "--particles", 120, "--nuisances", "some"),
    )
    cryoglean("run", simulated / "micrographs", "--diameter", DIAMETER, "--out", run)
    cryoglean("evaluate", run, simulated / "truth", "--diameter", DIAMETER, "--pixel-size", PIXEL_SIZE)
    classes = sorted((run / "rounds").glob("*/selected/gallery.png"))
    sys.stdout.write(f"\nThe report, to be opened with a browser: {run / 'report.html'}\n")
    sys.stdout.write(f"What was decided, and why: {run / 'run.json'}\n")
    sys.stdout.writelines(f"The classes of a round: {path}\n" for path in classes)


def cryoglean(*words: object) -> None:
    """Run a command as a user would, showing it."""
    arguments = [str(word) for word in words]
    sys.stdout.write(f"\n$ cryoglean {shlex.join(arguments)}\n")
    sys.stdout.flush()
    subprocess.run([sys.executable, "-m", "cryoglean.cli", *arguments], check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "demo-out"))
