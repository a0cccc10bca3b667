# make book | test | lab, and their parts: see `make help`.

# The Python to make .venv with, if it is to be a particular one.
PYTHON ?=
# Options for JupyterLab: make lab ARGS=--no-browser
ARGS :=
# Seconds for each target of make fuzz.
FUZZ := 60
# Options for the benchmarks: make bench BENCH='--quick --folder /mnt/disk'
BENCH :=
# A folder of submissions, and options: make grade FILES=handed-in GRADE='--language zh'
FILES :=
GRADE :=
# Who keeps an environment of their own (conda) runs all of it so: make test RUN=python
RUN :=

SETUP := tools/setup_environment.py
NAMES := $(or $(PYTHON),python3 python3.13 python3.12 python3.11 python)
MAKEFLAGS += --no-print-directory

PY := $(or $(RUN),.venv/bin/python)
STEPS := 2
LANGUAGE := $(if $(filter zh%,$(LC_ALL) $(LC_MESSAGES) $(LANG)),zh,en)
NBVAL := $(PY) -m pytest --nbval --nbval-current-env --nbval-cell-timeout=60 \
    -n 2 --dist loadscope -q chapters

# Without cargo, or without its registry, those tests skip and say so.
BURN := if command -v cargo >/dev/null; \
    then cargo build --quiet --locked --manifest-path tests/burn/Cargo.toml || true; \
    else echo 'no cargo here: they skip'; fi

.PHONY: help book test lab check site fuzz bench grade nbgrader setup clean clean-env

help:
	@echo 'make book       build the chapters and the site (the first time: install too)'
	@echo 'make test       check and test everything'
	@echo 'make lab        open the chapters in JupyterLab'
	@echo 'make check      only ruff and mypy'
	@echo 'make site       only the site, from the chapters as they are'
	@echo 'make fuzz       look for inputs that break the library; FUZZ=600 seconds for each'
	@echo 'make bench      measure speed and memory against others, for a quarter of an hour'
	@echo 'make grade      grade what students handed in: FILES=folder'
	@echo 'make nbgrader   make a course for nbgrader of the exercises, in build/nbgrader'
	@echo 'make clean      remove what was built; make clean-env: .venv as well'
	@echo
	@echo 'PYTHON=python3.12 chooses a Python, TORCH_INDEX=... a smaller PyTorch (README),'
	@echo 'RUN=python an environment of your own in place of .venv.'

book: setup
	@$(PY) tools/book.py build
	@$(PY) tools/site.py

test: STEPS := 6
test: check
	@echo '[3/6] Burn itself, which some tests run (the first time two minutes)'
	@$(BURN)
	@echo '[4/6] Tests, and how much of d2lrec they reach'
	@OMP_NUM_THREADS=1 $(PY) -m pytest -n 2 --dist loadscope -q --cov --cov-report=term
	@echo '[5/6] Notebooks: every output compared'
	@$(NBVAL)
	@echo '[6/6] Notebooks again, as on an older processor'
	@ATEN_CPU_CAPABILITY=default $(NBVAL) --ignore-glob='*/solutions/*'

check: setup
	@echo '[1/$(STEPS)] Style: ruff'
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@echo '[2/$(STEPS)] Types: mypy'
	@$(PY) -m mypy

bench: setup
	@$(PY) -m benchmarks.run $(BENCH)

grade: setup
	@if [ -z "$(FILES)" ]; then echo 'Whose work? make grade FILES=folder' >&2; exit 2; fi
	@$(PY) -m tools.exercises grade $(GRADE) "$(FILES)"

nbgrader: setup
	@$(PY) -m tools.exercises course

lab: setup
	@$(PY) -m jupyterlab --LabApp.app_settings_dir=tools/lab \
	    --LabApp.default_url=/lab/tree/$(LANGUAGE)/index.md $(ARGS) chapters

site: setup
	@$(PY) tools/site.py

# Silent, and done in a tenth of a second, once .venv is as it should be.
ifdef RUN
setup:
	@$(PY) $(SETUP) --check
else
setup:
	@if [ -z "$(PYTHON)" ] && [ -x .venv/bin/python ]; then \
	    .venv/bin/python $(SETUP) --ready 2>/dev/null && exit 0; \
	    names=.venv/bin/python; \
	fi; \
	for python in $$names $(NAMES); do \
	    if "$$python" $(SETUP) --suitable >/dev/null 2>&1; then \
	        exec "$$python" $(SETUP); \
	    fi; \
	done; \
	for python in $(NAMES); do \
	    if "$$python" -c "" >/dev/null 2>&1; then exec "$$python" $(SETUP); fi; \
	done; \
	echo "No Python here (tried: $(NAMES)): install Python 3.11 to 3.13," \
	    "or name yours: make book PYTHON=/path/to/python3" >&2; \
	exit 1
endif

# Atheris is not one of the environment's packages: it has no wheel for every system.
fuzz: setup
	@$(PY) -m pip install -q 'atheris>=2.3'
	@for target in mpk bincode json gzip files describe; do \
	    $(PY) tests/fuzz/fuzz.py $$target -max_total_time=$(FUZZ) || exit 1; \
	done

clean:
	rm -rf site build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
	rm -rf .hypothesis .coverage .coverage.* .fuzz

clean-env: clean
	rm -rf .venv
