# Every target sets itself up in .venv from a bare clone; it needs Python 3.10 or later and make.

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip --disable-pip-version-check --quiet

.NOTPARALLEL:
.PHONY: demo test check lint types doctest docs reference interpret sparse dist bench coverage clean

demo: $(VENV)/.demo
	$(BIN)/hierloss demo

# One of scikit-learn's own checks of estimators wants the variable.
test: $(VENV)/.test
	SCIPY_ARRAY_API=1 $(BIN)/python -m pytest

check: lint types doctest docs reference interpret sparse dist

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

doctest: $(VENV)/.dev
	$(BIN)/python -m pytest -q --doctest-modules -p no:cacheprovider --ignore-glob="*/_gpu*.py" --ignore-glob="*/sparse.py" hierloss adapters

docs: $(VENV)/.docs $(VENV)/.test
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html
	$(BIN)/python docs/check_names.py docs/_build/html/objects.inv

# The laws of losses and layers once more, without the fast kernels, which probabilities never take.
reference: $(VENV)/.test
	HIERLOSS_KERNELS=reference $(BIN)/python -m pytest -q -k "not probabilities" tests/test_losses.py tests/test_layers.py

# The kernels for GPUs, in Triton's interpreter where there is none.
interpret: $(VENV)/.interpret
	TRITON_INTERPRET=1 $(BIN)/python -m pytest -q tests/test_gpu.py

# torch-sparse has no wheels. They are compiled once for each PyTorch, by ninja on all cores (a
# quarter of an hour of one), and kept beside other caches; pip's own would not tell one PyTorch from
# another.
SPARSE = $(abspath $(VENV)-sparse)
TORCH = $$($(BIN)/python -c 'import sys, torch; print(f"torch-{torch.__version__}-{sys.implementation.cache_tag}")')
WHEELS = $${XDG_CACHE_HOME:-$$HOME/.cache}/hierloss/wheels/$(TORCH)

sparse: $(VENV)/.sparse
	PYTHONPATH="$(SPARSE)" $(BIN)/python -W ignore -c "import torch_sparse"
	PYTHONPATH="$(SPARSE)" $(BIN)/python -m pytest -q --doctest-modules -p no:cacheprovider adapters/hierloss_adapters/sparse.py tests/test_sparse.py "tests/test_docs.py::test_examples_run_and_print_what_is_written[torch-sparse.md]"

$(VENV)/.sparse: $(VENV)/.test constraints.txt
	rm -rf "$(SPARSE)"
	$(PIP) install -c constraints.txt --target "$(SPARSE)" setuptools wheel ninja
	wheels="$(WHEELS)" && mkdir -p "$$wheels" && \
	PYTHONPATH="$(SPARSE)" PATH="$(SPARSE)/bin:$$PATH" CFLAGS=-g0 $(BIN)/python -m pip --disable-pip-version-check wheel --no-cache-dir --no-deps --no-build-isolation -c constraints.txt --find-links "$$wheels" --wheel-dir "$$wheels" torch-scatter torch-sparse && \
	$(PIP) install --no-deps --no-index --find-links "$$wheels" -c constraints.txt --target "$(SPARSE)" torch-scatter torch-sparse
	touch $@

# sdist, wheel from the sdist, a fresh environment, and a look at what was installed.
FRESH = $(abspath $(VENV)-dist)

dist: $(VENV)/.dev
	rm -rf dist "$(FRESH)"
	$(BIN)/python -m build --quiet
	$(PYTHON) -m venv "$(FRESH)"
	"$(FRESH)/bin/python" -m pip --disable-pip-version-check --quiet install -c constraints.txt dist/*.whl
	cd dist && "$(FRESH)/bin/python" -W error ../tests/smoke.py
	rm -rf "$(FRESH)"

# hmc-torch pins another torch, so it lies apart, and only its own code of it is used.
PEERS = $(VENV)-peers

bench: $(VENV)/.test
	$(PIP) install --no-deps --upgrade --target $(PEERS) hmc-torch==0.0.11
	$(BIN)/hierloss bench --peers $(PEERS) --json docs/benchmarks.json --markdown docs/benchmarks.md --picture docs/_static/benchmarks.svg

coverage: $(VENV)/.test
	$(BIN)/python -m pytest -q --cov --cov-report=term-missing:skip-covered

clean:
	rm -rf $(VENV) $(VENV)-dist $(VENV)-sparse $(PEERS) dist docs/_build docs/_results .*_cache .coverage .hypothesis hierloss-demo

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.version_info >= (3, 10) or sys.exit("needs Python 3.10 or later: make PYTHON=...")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.%: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install -c constraints.txt -e ".[$*]"
	touch $@
