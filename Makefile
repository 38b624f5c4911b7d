# make demo: raw recordings to a corpus, offline. make ui: Dagster on a workspace.
# make check: style, types, layers and the fast tests, in minutes. make test: every test but
# those that .ci/run runs besides: whole runs of half a minute and more, browser, PostgreSQL, wheel. make lint: style, types, layers.
PYTHON ?= python3
WORKSPACE ?= workspace
PORT ?= 3000
VENV := .venv
BIN := $(VENV)/bin
LOCK := requirements/dev.txt
export PYANNOTE_METRICS_ENABLED := 0
export DAGSTER_DISABLE_TELEMETRY := 1
# Nothing but `make ui` may ask a model hub, and only for what the configuration names.
demo test check: export HF_HUB_OFFLINE := 1

.PHONY: demo test check ui lint lock clean
demo: $(VENV)/ready
	$(BIN)/fangyan demo --workspace workspace/demo

test: $(VENV)/ready
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not long" -n 2

check: lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not slow and not long" -n 2

ui: $(VENV)/ready
	$(BIN)/fangyan ui --workspace $(WORKSPACE) --port $(PORT)

lint: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright
	PYTHONPATH=. $(BIN)/lint-imports --no-logo

$(VENV)/ready: $(LOCK) pyproject.toml
	$(PYTHON) -c 'import sys; assert (3, 11) <= sys.version_info[:2] <= (3, 12), "Fangyan needs Python 3.11 or 3.12; set PYTHON="'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements/installer.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --requirement $(LOCK)
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	touch $@

# Renew the lock; --no-header and no --emit-index-url keep registry addresses out of it.
lock: $(VENV)/ready
	$(BIN)/uv pip compile pyproject.toml --extra studio --extra dev --universal --python-version 3.11 \
	  --generate-hashes --no-header --quiet --upgrade --output-file $(LOCK)

clean:
	rm -rf $(VENV) build *.egg-info
