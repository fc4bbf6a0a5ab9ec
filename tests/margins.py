"""How far numbers in tests stay from the bounds they are held to: `assert value < bound` tells it by itself.

As a program it compares runs under several perturbations. Where one of them moved a number by more than the distance
from its bound that is left, a processor that moves it a little further would break the test; unless the law is exact,
as that of a least distance of picks is.
"""

import json
import re
import sys
from pathlib import Path

import perturbations

_WRAPPED = re.compile(r"(?:np\.\w+|tensor)\(([-+.e\d]+)(?:, dtype=[\w.]+)?\)")
_NUMBER = r"-?\d[\d.]*(?:e[-+]?\d+)?"
_SIDE = rf"{_NUMBER}|\({_NUMBER} [-+*/] {_NUMBER}\)"
_COMPARED = re.compile(rf"({_SIDE}) (<=?|>=?) ({_SIDE})")
_SHOWN = 30


def distance_of(explanation):
    """Return value, bound and distance, negative if it failed, as pytest explains a comparison; None of others."""
    match = _COMPARED.fullmatch(_WRAPPED.sub(r"\1", explanation.split("\n", 1)[0]))
    if match is None:
        return None
    value, bound = (float(eval(side)) for side in (match[1], match[3]))  # numbers, and at most one sign between them
    return value, bound, value - bound if match[2].startswith(">") else bound - value


class Margins:
    """A pytest plugin that writes the least distance of each law of each test into a folder.

    Args:
        folder: where; the file is called as the perturbations are.
    """

    def __init__(self, folder):
        self._path, self._found = Path(folder) / f"{perturbations.VALUE or 'none'}.json", {}

    def pytest_assertion_pass(self, item, lineno, orig, expl):
        found = distance_of(expl)
        if found is None or hasattr(item.obj, "hypothesis"):  # it asserts itself, and looks for what is near a bound
            return
        if not item.user_properties:
            item.user_properties.append(("margins", {}))
        laws = dict(item.user_properties)["margins"]
        laws[orig] = min(found, laws.get(orig, found), key=lambda f: f[2])

    def pytest_runtest_logreport(self, report):
        if report.when == "call":
            self._found[report.nodeid] = dict(report.user_properties).get("margins", {})

    def pytest_sessionfinish(self, session):
        if not hasattr(session.config, "workerinput"):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.write_text(json.dumps(self._found))


def compared(runs):
    """Yield what is left of the distance of each law, how much it moved, value and bound where it was least, and whose.

    Args:
        runs: the content of the files.
    """
    laws = {(test, law) for run in runs for test, told in run.items() for law in told}
    for test, law in sorted(laws):
        seen = [run[test][law] for run in runs if law in run.get(test, {})]
        distances = [distance for *_, distance in seen]
        value, bound, least = min(seen, key=lambda s: s[2])
        yield least, max(distances) - least, value, bound, test, law


def main(folder):
    runs = [json.loads(path.read_text()) for path in sorted(Path(folder).glob("*.json"))]
    rows = list(compared(runs))
    moved, still = [row for row in rows if row[1]], [row for row in rows if not row[1]]
    print(f"{len(rows)} laws in {len(runs)} runs. Moved were {len(moved)}; distance left, over how much it moved:")
    _show(moved, lambda row: row[0] / row[1])
    print("Not moved; distance left, over the bound:")
    _show(still, lambda row: row[0] / max(abs(row[3]), 1e-30))


def _show(rows, left):
    for row in sorted(rows, key=left)[:_SHOWN]:
        _, by, value, bound, test, law = row
        print(f"{left(row):9.3g}  {value:11.5g} of {bound:11.5g}, moved {by:8.2g}  {test}: {law}")


if __name__ == "__main__":
    main(sys.argv[1])
