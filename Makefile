# Everything lives in .venv; nothing outside this folder is changed but what `run` keeps in your
# state directory. `make` alone lists the targets.

PYTHON ?= python3
VENV ?= .venv
PHOTOS ?= $(HOME)/Pictures
# Where PyTorch comes from: auto takes its CPU wheels where there is no NVIDIA GPU; empty, pip's index.
TORCH_INDEX ?= auto
# The versions that CI has tested. `make LOCK=` installs the newest that pyproject.toml allows; torch and
# what it brings depend on the machine, and are not locked.
LOCK ?= constraints.txt
# Test files run at the same time. Many wait for files and processes, so more than there are cores.
TEST_WORKERS ?= 4
PARALLEL := -n $(TEST_WORKERS) --dist loadfile --no-loadscope-reorder
# What is made up is the same each time: it fails by what was changed, and surprises belong to the night.
SAME := --hypothesis-profile=ci

BIN := $(VENV)/bin
# On a terminal pip shows what it does: gigabytes may come, and silence looks as if it hung.
QUIET := $(if $(shell [ -t 2 ] && echo terminal),,--quiet)
PIP_INSTALL := $(BIN)/pip install $(QUIET) --disable-pip-version-check $(if $(LOCK),--constraint $(LOCK))

.PHONY: help run test test-long coverage check check-page vendored screenshots nightly nightly-milvus openapi lock bench man clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1	/'

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "imgvecd needs Python 3.11 or newer: make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@index="$(TORCH_INDEX)"; [ "$$index" != auto ] || index=$$($(BIN)/python tools/torch_index.py); \
		[ -z "$$index" ] || $(BIN)/pip install $(QUIET) torch torchvision --index-url "$$index"

$(VENV)/.installed: $(BIN)/python pyproject.toml $(LOCK)
	@echo "Installing imgvecd and its dependencies into $(VENV) (a few minutes the first time)"
	$(PIP_INSTALL) --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(PIP_INSTALL) --editable '.[dev]'
	@touch $@

run: $(VENV)/.installed  ## watch PHOTOS (default ~/Pictures) and show progress
	@exec $(BIN)/imgvecd serve --root "$(PHOTOS)" --progress

test: $(VENV)/.installed-dev  ## run the tests (not the long and the nightly ones)
	$(BIN)/python -m pytest -m "not long and not nightly" $(SAME) $(PARALLEL) --durations=25

test-long: $(VENV)/.installed-dev  ## run the long tests, which CI runs too
	$(BIN)/python -m pytest -m "long and not nightly" $(SAME) $(PARALLEL) --durations=25

coverage: $(VENV)/.installed-dev  ## run the quick tests and print how much of each room they reach
	$(BIN)/python -m pytest -q -m "not nightly" $(SAME) tests/unit tests/contract tests/property \
		$(PARALLEL) --cov=imgvecd --cov-branch --cov-report=json:build/coverage.json
	$(BIN)/python -m tools.coverage_by_room build/coverage.json

nightly: $(VENV)/.installed-dev  ## run every test, the long and the nightly ones included
	$(BIN)/python -m pytest

MILVUS = $(VENV)/milvus

$(MILVUS)/.installed: $(VENV)/.installed-dev
	$(PIP_INSTALL) --editable '.[milvus]'
	$(BIN)/python -m venv $(MILVUS)
	$(MILVUS)/bin/pip install --quiet 'setuptools<81' 'milvus==2.3.5'
	@touch $@

nightly-milvus: $(MILVUS)/.installed  ## test the shared engine against a real Milvus server
	MILVUS_PYTHON=$(abspath $(MILVUS))/bin/python $(BIN)/python -m pytest -m nightly -k milvus \
		tests/contract/test_vector_engine.py tests/recovery/test_shared_engine.py \
		tests/recovery/test_milvus_engine.py

check: $(VENV)/.installed-dev  ## lint, format, types, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy --config-file tests/mypy.ini
	$(BIN)/lint-imports
	$(BIN)/python tools/page/vendored.py --offline
	@if command -v npm >/dev/null && $(MAKE) --no-print-directory tools/page/node_modules; then \
		$(MAKE) --no-print-directory check-page; \
		else echo "no npm, or no way to its packages: the page's JavaScript is not checked"; fi

check-page: tools/page/node_modules  ## types and lint of the page's JavaScript (needs npm)
	cd tools/page && npx tsc -p tsconfig.json
	cd tools/page && npx biome lint --error-on-warnings --config-path=. ../../imgvecd/web

tools/page/node_modules: tools/page/package-lock.json
	cd tools/page && npm ci --silent --no-audit --no-fund
	@touch $@

vendored:  ## compare the page's libraries with npm
	$(BIN)/python tools/page/vendored.py

screenshots: $(VENV)/.installed-dev  ## take the pictures of the page in docs/ anew
	$(BIN)/python -m tools.page.screenshots

openapi: $(VENV)/.installed-dev  ## write the description of the API anew
	$(BIN)/python -m imgvecd.server.openapi

lock: $(BIN)/python  ## take the newest versions that pyproject.toml allows into constraints.txt
	$(BIN)/pip install --quiet --disable-pip-version-check uv
	{ echo "# The versions that CI has tested; written by \`make lock\`. torch and what it brings are left out."; \
		$(BIN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 \
			--upgrade --no-annotate --no-header --quiet \
		| grep -vE '^(torch|torchvision|triton|nvidia-[a-z0-9-]+|cuda-[a-z]+|setuptools)=='; } > build-constraints.txt
	mv build-constraints.txt constraints.txt

bench: $(VENV)/.installed-dev  ## print the figures of the main job
	$(BIN)/python -m benchmarks.end_to_end

man: $(VENV)/.installed  ## write man pages and completions to build/share
	$(BIN)/imgvecd manual build/share/man/man1
	@mkdir -p build/share/bash-completion/completions build/share/zsh/site-functions \
		build/share/fish/vendor_completions.d
	@for program in imgvec imgvecd; do \
		$(BIN)/$$program completions bash > build/share/bash-completion/completions/$$program && \
		$(BIN)/$$program completions zsh > build/share/zsh/site-functions/_$$program && \
		$(BIN)/$$program completions fish > build/share/fish/vendor_completions.d/$$program.fish \
		|| exit 1; done

clean:  ## remove the virtual environment and caches
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
