# Two commands set everything up: `make demo` runs the main job, `make test` the tests.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARTIFACTS ?= artifacts
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile -c constraints.txt
# Everything but PyTorch is checked against the hashes in locks/ before it is installed; see `make locks`.
PIP_LOCKED := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --no-deps --require-hashes
TESTS := flows serve oracle tfds publish peers dev
comma := ,

# Python compiles what it imports, once, and keeps it beside the sources in the environment, whatever the shell says.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: install demo locks docs screenshots test test-slow browser test-browser test-clusters check clean

install: $(VENV)/.installed

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit("perturb needs Python 3.11 or newer; set PYTHON=python3.11" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	@touch $@

# What the demo needs: the library alone, in plain Python. The tests also need Prefect and Dask, the oracle, readers of
# benchmark files and the tools of developers.
$(VENV)/.runs: $(VENV)/.python pyproject.toml constraints.txt locks/run.txt
	@echo "Installing into $(VENV), about half a minute where the network is fast"
	$(PIP_LOCKED) -r locks/run.txt
	$(PIP) -e .
	@touch $@

$(VENV)/.installed: $(VENV)/.runs locks/test.txt
	$(PIP_LOCKED) -r locks/test.txt
	$(PIP) -e '.[$(subst $() $(),$(comma),$(TESTS))]'
	@touch $@

# The hashes of the versions in constraints.txt, for all platforms and Pythons, with what each package of run.txt needs first.
LOCK = $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-annotate --no-header --constraints constraints.txt \
	--excludes locks/excluded.txt --no-emit-package torch --no-emit-package torchvision pyproject.toml
locks: $(VENV)/.python
	$(PIP) uv
	$(LOCK) --output-file locks/run.txt
	$(LOCK) --output-file locks/test.txt $(addprefix --extra ,$(TESTS) pythae) $$(sed -n 's/^\([a-z0-9-]*\)==.*/--no-emit-package \1/p' locks/run.txt)

demo: $(VENV)/.runs
	$(BIN)/perturb run configs/quickstart.toml --artifacts $(ARTIFACTS)

# The documentation as a site, in site/index.html; any warning is an error.
docs: $(VENV)/.runs
	$(PIP) -e '.[docs]' || { echo "make docs: the packages of the docs extra cannot be installed, so there is no site." >&2; exit 1; }
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet
	@echo site/index.html

# Screenshots of pages for the documentation, in docs/screenshots.
screenshots: browser docs
	$(BIN)/python tests/helpers/screenshots.py

test: install
	$(BIN)/python -m pytest -m "not slow"

# Real servers and clusters, kill -9, whole experiments again: ten minutes more.
test-slow: install
	$(BIN)/python -m pytest -m slow

# What the tests of pages open them in: Debian's Chromium, unless a browser of that family is there already.
browser: install
	$(PIP) -e '.[browser]'
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null \
		|| { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; }

test-browser: browser docs
	PERTURB_BROWSER=required PERTURB_SITE=required $(BIN)/python -m pytest -n 0 tests/report/test_browser.py tests/test_site.py

# Real SLURM jobs and a real ssh server, on this machine, for as long as the tests run.
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
