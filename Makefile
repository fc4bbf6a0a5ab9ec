# Each target does all the set-up itself, given Python 3.11 or newer and make.
#   make test   run the tests              make demo    run the loop on simulated micrographs, print the score
#   make lint   check style, types, layers make clean   remove what make has made
# PYTHON chooses the interpreter, WORKERS how many tests run at a time (0: in the process of pytest itself),
# PYTEST_ARGS goes to pytest: make test WORKERS=4 PYTEST_ARGS="--slow -x"
# As if on another processor (tests/perturbations.py): CRYOGLEAN_TEST_PERTURBATION=bfloat16,jitter make test

PYTHON ?= python3
VENV ?= .venv
PYTEST_ARGS ?=
WORKERS ?= 2

READY := $(VENV)/.ready
BIN := $(VENV)/bin

# Tests start many programs: each compiles only what no other has compiled.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: test demo lint setup clean

test: $(READY)
	$(BIN)/python -m pytest -q -n $(WORKERS) --no-loadscope-reorder $(PYTEST_ARGS)

demo: $(READY)
	$(BIN)/python examples/demo.py

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "make: Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch -e '.[test,lint]'
	@touch $@

clean:
	rm -rf $(VENV) demo-out dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find src tests examples benchmarks -name __pycache__ -prune -exec rm -rf {} +
