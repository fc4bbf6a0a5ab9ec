"""The files of the package import each other without circles; import-linter checks the layers of rooms."""

import ast
import functools
import re
from graphlib import TopologicalSorter
from pathlib import Path

import cryoglean

ROOT = Path(cryoglean.__file__).parent
COLUMN = re.compile(r"rln[A-Z]\w*")


def module_names():
    names = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = ("cryoglean", *path.relative_to(ROOT).with_suffix("").parts)
        names[".".join(parts).removesuffix(".__init__")] = path
    return names


@functools.cache
def nodes_of(path):
    return tuple(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


def imported_modules(name, path, known):
    """Return what a file imports, in functions and for types only too, with the doors that are opened on the way."""
    found = set()
    for node in nodes_of(path):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {m if (m := f"{node.module}.{alias.name}") in known else node.module for alias in node.names}
    doors = {d for module in found & known for d in parents(module)} - set(parents(name))
    return (found & known | doors) - {name}


def parents(name):
    parts = name.split(".")
    return [".".join(parts[:n]) for n in range(1, len(parts))]


def test_no_file_imports_itself_by_way_of_others():
    modules = module_names()
    known = set(modules)
    graph = {name: imported_modules(name, path, known) for name, path in modules.items()}
    assert sum(map(len, graph.values())) > len(graph)
    TopologicalSorter(graph).prepare()  # an error names the circle


def test_only_a_pickers_own_package_asks_of_which_class_settings_are():
    asked = []
    for name, path in module_names().items():
        for node in nodes_of(path):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "isinstance":
                kinds = {n.id for n in ast.walk(node.args[1]) if isinstance(n, ast.Name)}
                asked += [(name, kind) for kind in kinds if kind.endswith(("Settings", "Training"))]
    assert asked, "settings are told apart somewhere"
    assert not [each for each in asked if not each[0].startswith("cryoglean.pickers.")]


def test_the_name_of_each_column_of_relion_stands_in_one_file():
    """Nearly all in `io/relion_columns.py`; those of one table only may stand with it."""
    where = {}
    for name, path in module_names().items():
        for node in nodes_of(path):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and COLUMN.fullmatch(node.value):
                where.setdefault(node.value, set()).add(name)
    assert len(where) > 30
    assert not {column: files for column, files in where.items() if len(files) > 1}


def test_no_file_takes_formulas_from_what_takes_longer_to_load_than_a_micrograph_to_pick():
    from_scipy = {}
    for name, path in module_names().items():
        for node in nodes_of(path):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("scipy"):
                names = {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
                from_scipy |= {each: {name} | from_scipy.get(each, set()) for each in names}
    assert {"scipy.special", "scipy.ndimage"} <= from_scipy.keys()
    assert "scipy.stats" not in from_scipy, from_scipy["scipy.stats"]
