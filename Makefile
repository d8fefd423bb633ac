# make test    everything that a change has to pass
# make demo    a tour on a volume made up for it; INPUT=scan.nrrd takes your own
# make bench   speed and sizes beside what else there is
# make lint    style and import contract alone
# make env     only the environment in .venv (Python 3.11 to 3.13; PYTHON=python3.12 picks one, after make clean)
# make clean   removes what the targets made

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
ENV := $(VENV)/.installed

.PHONY: env demo test bench lint clean system

test: lint
	$(PY) -m pytest -n 2 --dist loadfile Testing/Library
	$(PY) -m pytest -n 2 --dist loadfile Testing/Modules

demo: env
	$(PY) Testing/Demo/demo.py $(if $(INPUT),--input "$(INPUT)")

bench: env
	$(PY) Testing/Benchmarks/bench.py

lint: env
	$(PY) -m ruff check .
	PYTHONPATH=MedCompress $(VENV)/bin/lint-imports

env: system $(ENV)

system:
	@.ci/system $(PYTHON)

$(ENV): pyproject.toml constraints.txt | system
	$(PYTHON) -m venv --clear $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check --constraint constraints.txt setuptools
	$(PY) -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --no-build-isolation --editable ".[codecs,dev]"
	# nnU-Net's networks alone: what they name as their needs brings gigabytes of CUDA, and none of it is used.
	$(PY) -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --no-deps dynamic-network-architectures
	@touch $@

clean:
	rm -rf $(VENV) build dist demo-output .pytest_cache .ruff_cache .import_linter_cache .hypothesis *.egg-info
	find MedCompress Testing -name __pycache__ -type d -prune -exec rm -rf {} +
