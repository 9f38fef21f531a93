# Every target sets up what it needs: Python 3.11 or newer and make are enough.
export UV_PYTHON_DOWNLOADS = never
# The tests start hundreds of processes, each three times faster where bytecode is kept.
unexport PYTHONDONTWRITEBYTECODE
UV := $(shell command -v uv 2>/dev/null || echo .uv/bin/uv)
RUN = $(UV) run --frozen --no-sync
PYTEST = $(RUN) python -m pytest
# A file's tests stay together: they share a server, a folder or a run of the demo.
SPREAD = -n auto --maxprocesses 4 --dist loadfile

.PHONY: demo test test-all setup lint types layers unit notebooks refresh docs bench clean

demo: $(UV)
	$(UV) sync --frozen --no-dev --extra lab --inexact --quiet
	$(RUN) chatdata demo

test: setup lint types layers unit notebooks

test-all: setup lint types layers
	$(PYTEST) $(SPREAD) --cov -m "not slow and not browser"
	$(PYTEST) -m slow
	$(MAKE) notebooks

setup: $(UV)
	$(UV) sync --frozen --all-extras --quiet

lint:
	$(RUN) ruff check .
	$(RUN) ruff format --check .

types:
	$(RUN) mypy

layers:
	$(RUN) lint-imports --no-cache

unit:
	$(PYTEST) $(SPREAD) --cov -m "not slow and not browser"

notebooks:
	$(PYTEST) --nbval --nbval-current-env --nbval-cell-timeout=120 -p no:cacheprovider notebooks

refresh: setup
	$(RUN) chatdata notebooks refresh

docs: setup
	$(RUN) python -m chatdata.docs docs

# Peers that are programs are found on the path; BENCH=--resume goes on with a run that was stopped.
bench: setup
	$(RUN) python benchmarks/run.py $(BENCH)

clean:
	rm -rf .venv .uv dist build .pytest_cache .ruff_cache .mypy_cache

# uv is fetched into the project's own folder where the machine has none.
.uv/bin/uv:
	python3 -m venv .uv
	.uv/bin/python -m pip install --quiet --disable-pip-version-check "uv>=0.9"

ifneq ($(UV),.uv/bin/uv)
$(UV):
endif
