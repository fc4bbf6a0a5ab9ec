"""A reader that goes away, as `head` does, ends no job; one that stays gets every byte."""

import subprocess
import sys

import pytest

LINES = 20_000

WORK = f"""
import sys
from cryoglean.cli.streams import outlive_readers
outlive_readers()
for number in range({LINES}):
    print(f"é {{number}}", file=sys.stderr)
    print(f"é {{number}}")
open(sys.argv[1], "x").close()
"""


@pytest.mark.parametrize("leaves", ["stdout", "stderr", "both", "neither"])
def test_work_goes_on_without_readers(tmp_path, leaves):
    pipes = dict.fromkeys(("stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen([sys.executable, "-c", WORK, tmp_path / "done"], **pipes) as process:
        for name in pipes:
            if leaves in (name, "both"):
                getattr(process, name).readline()
                getattr(process, name).close()
                setattr(process, name, None)
        texts = [text.decode().splitlines() for text in process.communicate(timeout=60) if text is not None]
    assert process.returncode == 0
    assert (tmp_path / "done").exists()
    assert all(text == [f"é {number}" for number in range(LINES)] for text in texts)
