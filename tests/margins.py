"""How far numbers in tests stay from the bounds they are held to: `assert value < bound` tells it by itself.

As a program it compares runs under several perturbations, and fails where one of them moved a number by more than the
least distance from its bound that is left: a processor that moves it a little further would break the test.
"""

import json
import re
import sys
from pathlib import Path

import perturbations

_NUMBER = r"(?:np\.\w+\(|tensor\()?(-?\d[\d.]*(?:e[+-]?\d+)?)(?:, dtype=\S+)?\)?"
_COMPARED = re.compile(rf"{_NUMBER} (<=?|>=?) {_NUMBER}")
_SHOWN = 40


def distance_of(explanation):
    """Return value, bound and distance, negative if it failed, as pytest explains a comparison; None of others."""
    match = _COMPARED.fullmatch(explanation.split("\n", 1)[0])
    if match is None:
        return None
    value, bound = float(match[1]), float(match[3])
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
        if found is None:
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
    """Return, for each law that more than one run tells of, how much distance is left over how much it moved.

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
    rows = list(compared([json.loads(path.read_text()) for path in sorted(Path(folder).glob("*.json"))]))
    moved = sorted((row for row in rows if row[1]), key=lambda row: row[0] / row[1])
    print(f"{len(rows)} laws, of which {len(moved)} moved; those with the least distance left for what it moved:")
    for least, by, value, bound, test, law in moved[:_SHOWN]:
        print(f"{least / by:8.2f}  {value:11.5g} of {bound:11.5g}, moved {by:9.3g}  {test}: {law}")
    return any(least < by for least, by, *_ in moved)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
