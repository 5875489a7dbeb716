# Every target sets itself up in .venv from a bare clone; it needs Python 3.10 or later and make.

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip --disable-pip-version-check --quiet

.NOTPARALLEL:
.PHONY: demo test check lint types doctest docs dist bench coverage clean

demo: $(VENV)/.demo
	$(BIN)/hierloss demo

test: $(VENV)/.test
	$(BIN)/python -m pytest

check: lint types doctest docs dist

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

doctest: $(VENV)/.dev
	$(BIN)/python -m pytest -q --doctest-modules -p no:cacheprovider hierloss adapters

docs: $(VENV)/.docs
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html
	$(BIN)/python docs/check_names.py docs/_build/html/objects.inv

# sdist, wheel from the sdist, a fresh environment, and a look at what was installed.
FRESH = $(abspath $(VENV)-dist)

dist: $(VENV)/.dev
	rm -rf dist "$(FRESH)"
	$(BIN)/python -m build --quiet
	$(PYTHON) -m venv "$(FRESH)"
	"$(FRESH)/bin/python" -m pip --disable-pip-version-check --quiet install -c constraints.txt dist/*.whl
	cd dist && "$(FRESH)/bin/python" -W error ../tests/smoke.py
	rm -rf "$(FRESH)"

bench: $(VENV)/.test
	$(BIN)/python tests/benchmarks/go.py

coverage: $(VENV)/.test
	$(BIN)/python -m pytest -q --cov --cov-report=term-missing:skip-covered

clean:
	rm -rf $(VENV) $(VENV)-dist dist docs/_build .*_cache .coverage .hypothesis hierloss-demo

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.version_info >= (3, 10) or sys.exit("needs Python 3.10 or later: make PYTHON=...")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.%: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install -c constraints.txt -e ".[$*]"
	touch $@
