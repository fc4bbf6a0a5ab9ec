"""All numerical constants of the package, with value, origin and place, as a Markdown table.

usage: python benchmarks/constants.py [ROOM ...]

The origin is the first of the words `ORIGINS` in the docstring right below a constant:

- Published: in a paper or a standard, which the docstring names.
- Derived: from something else, which the docstring names.
- Chosen: by hand or on simulated sets; the docstring says what it trades, and how sensitive it is where that is known.
- Format: a fact of a file format or of another program.
- Resource: of memory, time or the screen; no result depends on it, or only its resolution does.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

SOURCE = Path(__file__).parents[1] / "src" / "cryoglean"
ORIGINS = ("Published", "Derived", "Chosen", "Format", "Resource")

_NAME = re.compile(r"_{0,2}[A-Z][A-Z0-9_]*")
_MAKERS = ("np", "numpy", "math", "torch", "range", "tuple", "sorted", "frozenset", "round", "float", "int")


class Constant(NamedTuple):
    """A module-level assignment of numbers.

    Attributes:
        path: file in the package.
        line: where it stands.
        names: the constant's, or those of several that are set at once.
        value: source text of the value.
        note: docstring right below it, on one line; empty where there is none.
    """

    path: str
    line: int
    names: tuple[str, ...]
    value: str
    note: str

    @property
    def room(self) -> str:
        """First part of the path."""
        return self.path.split("/")[0]

    @property
    def origin(self) -> str | None:
        """First word of origin in the docstring."""
        found = re.search(rf"\b({'|'.join(ORIGINS)})\b", self.note)
        return found[1] if found else None


def find_constants(root: Path = SOURCE) -> Iterator[Constant]:
    """Yield the numerical constants of all modules of a package, file by file."""
    for path in sorted(root.rglob("*.py")):
        body = ast.parse(path.read_text(encoding="utf-8")).body
        for statement, below in zip(body, [*body[1:], None], strict=True):
            names, value = assigned(statement)
            if value is not None and any(_NAME.fullmatch(name) for name in names) and is_numerical(value):
                place = path.relative_to(root).as_posix()
                yield Constant(place, statement.lineno, names, ast.unparse(value), docstring(below))


def assigned(statement: ast.stmt) -> tuple[tuple[str, ...], ast.expr | None]:
    """Return the names that a statement assigns, and the value."""
    if isinstance(statement, ast.Assign):
        target = statement.targets[0]
    elif isinstance(statement, ast.AnnAssign):
        target = statement.target
    else:
        return (), None
    parts = target.elts if isinstance(target, ast.Tuple) else [target]
    return tuple(part.id for part in parts if isinstance(part, ast.Name)), statement.value


def is_numerical(value: ast.expr) -> bool:
    """Whether an expression makes numbers of literals: no text but a dictionary's keys, no call but of arithmetic."""
    leaves = list(ast.walk(value))
    keys = {id(leaf) for node in leaves if isinstance(node, ast.Dict) for key in node.keys for leaf in walk(key)}
    literals = [leaf.value for leaf in leaves if isinstance(leaf, ast.Constant) and id(leaf) not in keys]
    makers = {root_name(node.func) for node in leaves if isinstance(node, ast.Call)}
    numbers = [literal for literal in literals if isinstance(literal, (int, float)) and not isinstance(literal, bool)]
    return bool(numbers) and len(numbers) == len(literals) and makers <= set(_MAKERS)


def walk(node: ast.expr | None) -> Iterator[ast.AST]:
    """Yield a node and all below it; nothing of None."""
    return ast.walk(node) if node is not None else iter(())


def root_name(node: ast.expr) -> str:
    """Return the first name of a dotted one."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def docstring(statement: ast.stmt | None) -> str:
    """Return the text of a statement that is only a string, on one line; else nothing."""
    value = statement.value if isinstance(statement, ast.Expr) else None
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        return " ".join(value.value.split())
    return ""


def main() -> None:
    rooms = sys.argv[1:]
    print("| constant | value | origin | where | what it is |\n|---|---|---|---|---|")
    for each in find_constants():
        if not rooms or each.room in rooms:
            names, note = ", ".join(f"`{name}`" for name in each.names), each.note.replace("|", "\\|")
            place = f"`{each.path}:{each.line}`"
            print(f"| {names} | `{each.value}` | {each.origin or '-'} | {place} | {note or '-'} |")


if __name__ == "__main__":
    main()
