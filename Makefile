# make demo        a small service behind the same filter in Python, Lua and Wasm (ONCE=1: end by itself)
# make test        everything that CI runs: lint, types, all tests
# make lint        ruff and mypy --strict
# make bench       CPU per request and memory beside Envoy, nginx and HAProxy
# make bench-extensions  what filters cost in every language, in pyvoy and in Envoy (ten minutes)
# make docs        write the generated parts of the documentation
# make clean       forget the virtual environment and all caches
# PYTHON=python3.12 chooses the interpreter; VENV=path an existing environment.

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin

.PHONY: demo test lint bench bench-extensions docs clean
.DELETE_ON_ERROR:

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "pyvoy needs Python 3.11 or later; try make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)

# One stamp for each set of dependencies: a second make installs nothing.
$(VENV)/.run: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	$(BIN)/python -m compileall -q pyvoy
	@touch $@

$(VENV)/.test: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	$(BIN)/python -m compileall -q pyvoy
	@touch $@ $(VENV)/.run

demo: $(VENV)/.run
	@$(BIN)/python -m pyvoy demo $(if $(ONCE),--once)

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: lint
	$(BIN)/python -m pytest -q

bench: $(VENV)/.test
	$(BIN)/python -m compileall -q pyvoy
	$(BIN)/python benchmarks/run.py

bench-extensions: $(VENV)/.test
	$(BIN)/python -m compileall -q pyvoy
	$(BIN)/python -m pyvoy bench extensions --out benchmarks/results/extensions

docs: $(VENV)/.run
	$(BIN)/python docs/generate.py

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
