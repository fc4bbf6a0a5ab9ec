"""The package as a whole: what is shipped, what is documented, and that it speaks of itself alone."""

import ast
import re
import tomllib
from importlib import import_module, metadata
from pathlib import Path

import pytest

import cryoglean

ROOT = Path(__file__).parents[1]
PACKAGE = Path(cryoglean.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
TEXTS = [
    *(p for p in sorted(ROOT.iterdir()) if p.suffix in (".md", ".toml", ".txt") or p.name == "Makefile"),
    *(p for f in ("src", "tests", "docs", "examples", "benchmarks", ".ci") for p in sorted((ROOT / f).rglob("*"))),
]


def test_types_are_shipped_and_the_version_is_one():
    assert (PACKAGE / "py.typed").exists()
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*", cryoglean.__version__)
    assert f"[{cryoglean.__version__}]" in (ROOT / "CHANGELOG.md").read_text()
    assert "version" in PROJECT["dynamic"]


def test_the_console_script_leads_to_a_function():
    module, function = PROJECT["scripts"]["cryoglean"].split(":")
    assert callable(getattr(import_module(module), function))


def test_every_requirement_is_pinned_at_a_version_that_fulfils_it():
    pins = dict(re.findall(r"^([A-Za-z0-9._-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE))
    pinned = {name.lower().replace("_", "-"): version for name, version in pins.items()}
    extras = [r for extra in PROJECT["optional-dependencies"].values() for r in extra]
    for requirement in [*PROJECT["dependencies"], *extras]:
        name, _, least = requirement.partition(">=")
        numbers = [[int(n) for n in re.findall(r"\d+", v)[:2]] for v in (pinned[name], least or "0")]
        assert numbers[0] >= numbers[1], requirement


def test_constraints_name_versions_only():
    lines = [x for x in (ROOT / "constraints.txt").read_text().splitlines() if x and not x.startswith("#")]
    assert [x for x in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", x)] == []


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_every_module_and_everything_public_in_it_is_documented(path):
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree), "module"
    scopes = [tree, *(n for n in tree.body if isinstance(n, ast.ClassDef) and not n.name.startswith("_"))]
    for scope in scopes:
        for node in scope.body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
                assert ast.get_docstring(node), node.name


def test_nothing_speaks_of_one_machine():
    paths = re.compile("|".join(re.escape("/" + p) for p in ("work/", "opt/venv", "opt/wheels", "opt/pypi", "root/")))
    found = []
    for path in TEXTS:
        if (
            path.is_file()
            and path.suffix in (".py", ".md", ".toml", ".txt", ".star", ".csv", "")
            and path.stat().st_size
        ):
            try:
                text = path.read_text(encoding="utf-8")
            except UnicodeDecodeError:
                continue
            found += [f"{path.relative_to(ROOT)}: {m[0]}" for m in paths.finditer(text)]
    assert found == []


def test_an_installed_copy_is_this_version():
    try:
        installed = metadata.version("cryoglean")
    except metadata.PackageNotFoundError:
        pytest.skip("cryoglean runs from its source tree, it is not installed")
    assert installed == cryoglean.__version__


def test_type_checkers_are_told_the_public_names():
    stub = (ROOT / "src" / "cryoglean" / "__init__.pyi").read_text()
    for name in cryoglean.__all__:
        assert getattr(cryoglean, name) is not None
        assert re.search(rf"\b{name}\b", stub.split("__all__")[0]), name
        assert f'"{name}"' in stub.split("__all__")[1], name
