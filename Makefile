# Two commands install everything they need: `make demo` runs a small experiment, `make test` runs the tests.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARTIFACTS ?= artifacts
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile -c constraints.txt
# Every package but PyTorch is checked against the hashes in locks/ before it is installed; see `make locks`.
PIP_LOCKED := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --no-deps --require-hashes
TESTS := flows serve oracle tfds publish peers dev
comma := ,

# Let Python cache bytecode in the environment even if the user's shell sets PYTHONDONTWRITEBYTECODE.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: install demo locks docs screenshots test test-slow browser test-browser test-clusters check clean

install: $(VENV)/.installed

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit("perturb needs Python 3.11 or newer; set PYTHON=python3.11" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	@touch $@

# The demo needs only the library. The tests also need Prefect and Dask, disentanglement_lib as an oracle, other libraries'
# readers of benchmark files, and developer tools.
$(VENV)/.runs: $(VENV)/.python pyproject.toml constraints.txt locks/run.txt
	@echo "Installing into $(VENV), about half a minute on a fast network"
	$(PIP_LOCKED) -r locks/run.txt
	$(PIP) -e .
	@touch $@

$(VENV)/.installed: $(VENV)/.runs locks/test.txt
	$(PIP_LOCKED) -r locks/test.txt
	$(PIP) -e '.[$(subst $() $(),$(comma),$(TESTS))]'
	@touch $@

# Hashes of the versions in constraints.txt, for all platforms and Python versions. test.txt leaves out the packages of run.txt.
LOCK = $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-annotate --no-header --constraints constraints.txt \
	--excludes locks/excluded.txt --no-emit-package torch --no-emit-package torchvision pyproject.toml
locks: $(VENV)/.python
	$(PIP) uv
	$(LOCK) --output-file locks/run.txt
	$(LOCK) --output-file locks/test.txt $(addprefix --extra ,$(TESTS) pythae) $$(sed -n 's/^\([a-z0-9-]*\)==.*/--no-emit-package \1/p' locks/run.txt)

demo: $(VENV)/.runs
	$(BIN)/perturb run configs/quickstart.toml --artifacts $(ARTIFACTS)

# Build the documentation site, site/index.html. Any warning is an error.
docs: $(VENV)/.runs
	$(PIP) -e '.[docs]' || { echo "make docs: the packages of the docs extra cannot be installed, so the site cannot be built." >&2; exit 1; }
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet
	@echo site/index.html

# Take the documentation's screenshots of pages, in docs/screenshots.
screenshots: browser docs
	$(BIN)/python tests/helpers/screenshots.py

test: install
	$(BIN)/python -m pytest -m "not slow"

# Tests with real servers and clusters, kill -9 and repeated whole experiments: ten more minutes.
# These tests wait for servers a third of the time, so one worker more than there are cores makes use of it.
test-slow: install
	$(BIN)/python -m pytest -m slow -n $$(( $$(getconf _NPROCESSORS_ONLN) + 1 ))

# The browser for the page tests: Debian's Chromium, unless Chromium or Chrome is installed already.
browser: install
	$(PIP) -e '.[browser]'
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null \
		|| { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; }

test-browser: browser docs
	PERTURB_BROWSER=required PERTURB_SITE=required $(BIN)/python -m pytest -n 0 tests/report/test_browser.py tests/test_site.py

# Tests with real SLURM jobs and a real ssh server, which run on this machine until the tests end.
test-clusters: install
	$(PIP) -e '.[slurm]'
	@{ command -v sbatch && command -v ssh && test -x /usr/sbin/sshd; } >/dev/null || { apt-get update -qq && apt-get install -y -qq munge openssh-server slurm-wlm; }
	PERTURB_CLUSTERS=required $(BIN)/python -m pytest -n 0 tests/flows/test_clusters.py

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

clean:
	rm -rf $(VENV) site artifacts/runs artifacts/scratch artifacts/results
