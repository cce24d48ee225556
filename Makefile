# `make studio` opens the page in a browser; `make demo` refines an example clip; `make test` runs every check. All of
# them make the virtual environment if needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
EXAMPLE ?= examples/bass.wav

.PHONY: studio demo test check clean

studio: $(VENV)/.installed-studio
	$(BIN)/refine studio

demo: $(VENV)/.installed
	$(BIN)/refine $(EXAMPLE) --out refined
	@echo "The results are in $(CURDIR)/refined: open the .html in a browser and the .noisemakerpreset in TAL-NoiseMaker."

test: $(VENV)/.installed-dev check
	$(BIN)/python -m tests.warm
	$(BIN)/python -m pytest -q --numprocesses 2 --dist loadfile --no-loadscope-reorder

check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

$(VENV)/.venv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; $(PYTHON) is older (make PYTHON=... names another)"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo "Python cannot make virtual environments here: install the system package python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.installed: pyproject.toml $(VENV)/.venv
	$(BIN)/python -m pip install --quiet --editable .
	@$(BIN)/python -c 'import dawdreamer' || \
	  { echo "DawDreamer does not load: install the system package libgl1"; exit 1; }
	@touch $@

$(VENV)/.installed-studio: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --editable '.[studio]'
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV) refined build *.egg-info
