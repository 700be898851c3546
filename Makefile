PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CORES ?= all
UV := $(shell command -v uv 2>/dev/null)
# uv unpacks what it downloads while it downloads the rest; pip does one after the other.
INSTALL := $(if $(UV),$(UV) pip install --quiet --python $(BIN)/python,\
	$(BIN)/python -m pip install --disable-pip-version-check --progress-bar off --quiet)
# Not in the lock: it asks for visdom, a server of charts that its attacks do without and that cannot be built any more.
ADV_LIB := 0.2.8
# Two tests at a time, with a thread each: PyTorch would start one a core in both, and small networks gain nothing by it.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help demo future-work reference labels test test-all bench gpu lint format report docs options lock clean

help:  ## List the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/make \1\t\2/' | expand -t 20

demo: $(VENV)/installed  ## Set everything up and run the workflow on synthetic faces (CORES=n to use fewer cores)
	$(BIN)/snakemake --cores $(CORES)

future-work: $(VENV)/installed  ## Fine-tune networks on what attacks found, on the faces of the demo
	$(BIN)/snakemake --cores $(CORES) --configfile workflow/presets/future-work.yaml workflow/presets/future-work-drawn.yaml

reference: $(VENV)/installed  ## See how close FGS and FFA come to the smallest flips that are known, on the faces of the demo
	$(BIN)/snakemake --cores $(CORES) --configfile workflow/presets/reference.yaml workflow/presets/reference-drawn.yaml

labels: $(VENV)/installed  ## See which labels are in doubt, on drawn faces whose false labels are known, in the folder labels
	$(BIN)/snakemake --cores $(CORES) --directory labels --configfile workflow/presets/labels-drawn.yaml

test: $(VENV)/installed  ## Set everything up and run the tests that show whether the product works (6 minutes on two cores)
	$(PYTEST) -m "not slow and not peers and not browser"

test-all: $(VENV)/installed  ## Run all tests: also kills, faults, Slurm, other libraries, browsers, long jobs
	$(PYTEST)

bench: demo  ## Measure what docs/development/benchmarks.md lists, an hour and a half on a machine that does nothing else
	for benchmark in preprocessing training "attacks --run results" "minimal --run results" similarity "similarity --sensitivity --run results" \
		store results "workflow graph" "workflow job" "workflow long"; do \
		set -- $$benchmark; script=$$1; shift; echo "# $$benchmark"; $(BIN)/python benchmarks/$$script.py "$$@" || exit 1; \
	done

gpu: $(VENV)/installed  ## Measure on a GPU what docs/guides/gpu.md tells, in ten minutes, into the folder gpu-results
	$(BIN)/python benchmarks/gpu.py

lint: $(VENV)/installed  ## Check style: ruff, snakefmt, codespell, snakemake --lint
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/codespell
	$(BIN)/snakemake --lint

format: $(VENV)/installed  ## Bring the code into the house style
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	$(BIN)/snakefmt Snakefile workflow

report: demo  ## Write Snakemake's report of the run, report.html (one file that needs no network)
	$(BIN)/snakemake --cores $(CORES) --report report.html

docs: $(VENV)/installed  ## Build the documentation into site, which opens in a browser without a network
	$(BIN)/mkdocs build --strict
	@echo "Now open site/index.html"

options: $(VENV)/installed  ## Write docs/reference and the JSON schema from the code, after changing an option or a command
	$(BIN)/python tools/reference.py

lock:  ## Resolve pyproject.toml anew into requirements.lock (needs uv)
	uv pip compile pyproject.toml --quiet --upgrade --all-extras --universal --python-version 3.11 -o requirements.lock

clean:  ## Remove what runs and tests wrote, but not the environment
	rm -rf labels gpu-results site logs report.html report.zip .snakemake .pytest_cache .ruff_cache .hypothesis
	find results -mindepth 1 ! -name .gitignore -delete

# The lock is complete, so nothing is resolved here.
$(VENV)/installed: requirements.lock pyproject.toml Makefile
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo \
	"faceflip needs Python 3.11 or newer, but $(PYTHON) is $$($(PYTHON) --version 2>&1); try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@PYTHONPATH=scripts $(PYTHON) -B -c 'import sys; from faceflip.runtime.interpreter import fault_of; sys.exit(fault_of("$(BIN)/python"))'
	@echo "Installing into $(VENV): PyTorch with its CUDA libraries is 5.3 of 7.1 GB, and takes most of the time"
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) --no-deps --requirement requirements.lock
	$(INSTALL) --no-deps adv-lib==$(ADV_LIB)
	$(INSTALL) --no-deps --no-build-isolation --editable .
	@echo "Compiling PASS and line searches, or else the first of their jobs would, and others would wait for it"
	$(BIN)/python -c 'from faceflip.runtime.compiled import load; load("faceflip.similarity.kernels"), load("faceflip.attacks.ray_kernel")'
	@touch $@
