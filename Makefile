# make run    set up .venv, train the quickstart table: report 002's best row, two seeds
# make test   set up .venv, run the quick tests
# make test-slow  set up .venv, run the slow tests; make test-all runs both
# make bench  set up .venv with PyTorch, time our training against it (45 minutes; keep the
#             machine idle), print the tables of experiments/speed
# make lint   what CI checks besides the tests
# make lock   refresh requirements.lock after a change in pyproject.toml (needs uv)

PYTHON ?= python3
BIN := .venv/bin

.PHONY: run test test-slow test-all bench lint lock setup
.DELETE_ON_ERROR:

setup: .venv/installed

# The lock pins every package by version and hash. uv installs it in seconds where it is there;
# plain pip does the same, slower.
.venv/installed: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "error: Python 3.11 or newer is needed, found " + sys.version.split()[0] + "; name one: make PYTHON=python3.12")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	if command -v uv >/dev/null; then \
	  uv pip install -q -p $(BIN)/python --require-hashes -r requirements.lock && \
	  uv pip install -q -p $(BIN)/python --no-deps -e .; \
	else \
	  $(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements.lock && \
	  $(BIN)/python -m pip install -q --disable-pip-version-check --no-deps -e .; \
	fi
	touch $@

run: setup
	$(BIN)/python -m fmnist_jax.main --config=configs/quickstart.py

test: setup
	$(BIN)/python -m pytest -m "not slow"

test-slow: setup
	$(BIN)/python -m pytest -m slow

test-all: test test-slow

# PyPI's PyTorch for Linux brings CUDA (2 GB); the small one for CPUs alone is
#   make bench PIP_FLAGS='--extra-index-url https://download.pytorch.org/whl/cpu'
.venv/bench: .venv/installed
	if command -v uv >/dev/null; then \
	  uv pip install -q -p $(BIN)/python $(PIP_FLAGS) -e '.[bench]'; \
	else \
	  $(BIN)/python -m pip install -q --disable-pip-version-check $(PIP_FLAGS) -e '.[bench]'; \
	fi
	touch $@

bench: .venv/bench
	$(BIN)/python experiments/speed/benchmark.py

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# The newest release for each Python: jax 0.12 needs Python 3.12.
lock:
	uv pip compile -q pyproject.toml --extra test --universal --fork-strategy requires-python \
	  --generate-hashes --no-emit-index-url --no-header -o requirements.lock
