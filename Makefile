# make            what there is to make
# Settings, on the command line (make course MODE=laptop ONLY=02):
MODE   ?= quick
ONLY   ?=
DRY    ?=
PYTHON ?= python3
TORCH  ?= torch==2.13.0
# An extra package index for torch. On Linux without an NVIDIA driver: PyTorch's CPU builds, because the default build
# brings gigabytes of CUDA. Empty for none; https://download.pytorch.org/whl/cu130 and the like for a certain CUDA.
TORCH_INDEX ?= $(shell test "$$(uname -s)" = Linux && ! command -v nvidia-smi >/dev/null 2>&1 \
                 && echo https://download.pytorch.org/whl/cpu)
# Exact versions of everything, as tested. Empty for the newest that requirements.txt allows.
CONSTRAINTS ?= constraints.txt

BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq install $(addprefix -c ,$(CONSTRAINTS))
INDEX := $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX) --timeout 10 --retries 0)
COURSE := $(BIN)/.napa-course
TESTS := $(BIN)/.napa-tests
SYNTHESIS := $(BIN)/.napa-synthesis

# For the kernels of notebooks: what napa_lib/__init__.py sets, which a notebook imports after torch.
export GOMP_SPINCOUNT ?= 5000

# One thread a process: two processes share the cores. No record of exercises done, no progress bars in the log.
PYTEST := OMP_NUM_THREADS=1 NAPA_PROGRESS=off NAPA_PROGRESS_BAR=off $(BIN)/python -m pytest

.DEFAULT_GOAL := help
.PHONY: help course test lint suite lab bench results notebooks address synthetic own-art faces clean

help:
	@echo 'make course      run every lesson, write build/course/index.html  (MODE=quick|laptop|full  ONLY=02)'
	@echo 'make lab         open the first lesson in JupyterLab'
	@echo 'make test        check notebooks, library and course'
	@echo 'make bench       measure speeds'
	@echo 'make results     repeat the trainings and measurements of a chapter  (ONLY=03  DRY=1 lists them with their time)'
	@echo 'make notebooks   write the committed notebooks afresh             (ONLY=02)'
	@echo 'make address     point badges and buttons to the address in pyproject.toml'
	@echo 'make synthetic   make the synthetic people that ship, those that are missing'
	@echo 'make faces       make the synthetic faces that ship, those that are missing'
	@echo 'make clean       remove build/'
	@echo
	@echo 'Everything is installed into .venv at first use. PYTHON=python3.12 chooses another Python (3.10 to 3.13).'
	@echo 'TORCH_INDEX= and TORCH= choose another build of PyTorch; README.md says how.'

course: $(COURSE)
	$(BIN)/python -m napa_lib.course --mode $(MODE) $(if $(ONLY),--only $(ONLY))

lab: $(COURSE)
	$(BIN)/jupyter lab --ServerApp.root_dir=. notebooks/00_start_here.ipynb

bench: $(COURSE)
	$(BIN)/python -m benchmarks

results: $(COURSE)
	$(BIN)/python -m napa_lib.course.experiments $(if $(ONLY),--only $(ONLY)) $(if $(DRY),--dry)

notebooks: $(COURSE)
	$(BIN)/python -m napa_lib.course.notebooks $(if $(ONLY),--only $(ONLY))

address: $(COURSE)
	$(BIN)/python -m napa_lib.course.publish

MADE_WITH_ANNY = --source 'made with Anny 0.6.2 by make $@' --licence MIT

synthetic: $(SYNTHESIS)
	for part in 'train 760' 'validation 112' 'test 136'; do set -- $$part; \
	  $(BIN)/python -m napa_lib.makers.people --out assets/synthetic --split $$1 --clips $$2 --drawn 0.3 --quality 28 \
	  || exit 1; done
	for part in train:800:1/4 train:800:2/4 train:800:3/4 train:800:4/4 validation:80:1/1 test:120:1/1; do \
	  set -- $$(echo $$part | tr : ' '); $(BIN)/python -m napa_lib.makers.people --out assets/studio --setting studio \
	  --size 64 --look photo --company 0 --movement 0.3 --seed 3 --quality 55 --split $$1 --clips $$2 --shard $$3 || exit 1; done
	$(BIN)/python -m napa_lib.data.manifest synthetic studio $(MADE_WITH_ANNY)
	$(BIN)/python tools/make_synthetic_sheet.py
	$(BIN)/python -m napa_lib.data.manifest figures/synthetic_contact_sheet.jpg $(MADE_WITH_ANNY)

own-art: $(COURSE)
	$(BIN)/python -m napa_lib.makers.rock --out assets/own_art --count 60
	$(BIN)/python -m napa_lib.data.manifest own_art --source 'made by make $@' --licence MIT

faces: $(SYNTHESIS)
	for part in 'train 320' 'validation 40' 'test 40'; do set -- $$part; \
	  $(BIN)/python -m napa_lib.makers.faces --out assets/faces --split $$1 --clips $$2 --quality 60 || exit 1; done
	$(BIN)/python -m napa_lib.data.manifest faces $(MADE_WITH_ANNY)
	$(BIN)/python tools/make_faces_sheet.py
	$(BIN)/python -m napa_lib.data.manifest figures/faces_contact_sheet.jpg $(MADE_WITH_ANNY)

test: lint suite

lint: $(TESTS)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/actionlint
	$(BIN)/mypy

suite: $(TESTS)
	$(BIN)/python -m napa_lib.course.notebook_check
	$(PYTEST) --numprocesses 2 --doctest-modules napa_lib
	$(PYTEST) --numprocesses 2 --dist loadfile --nbval
	$(PYTEST) --numprocesses 2 tests/run_lessons.py

clean:
	rm -rf build

$(SYNTHESIS): $(COURSE)
	@echo 'Installing the body model Anny …'
	@$(PIP) -e '.[synthesis]'
	@touch $@

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null 2>&1 || { echo 'There is no $(PYTHON) here. Install Python 3.10 to 3.13' \
	  '(Debian, Ubuntu: sudo apt install python3 python3-venv), or name yours: make PYTHON=/path/to/python3' >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' || { \
	  echo "$(PYTHON) is $$($(PYTHON) --version 2>&1), but the course needs Python 3.10 to 3.13." \
	  'Name another one: make PYTHON=python3.12' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo '$(PYTHON) lacks its venv module. Install it' \
	  "(Debian, Ubuntu: sudo apt install python3-venv or python$$($(PYTHON) -c \
	  'import sys; print("%d.%d" % sys.version_info[:2])')-venv), then run make again." >&2; exit 1; }
	@echo 'Making .venv with '"$$($(PYTHON) --version)"' …'
	@$(PYTHON) -m venv .venv

$(COURSE): $(BIN)/python requirements.txt constraints.txt pyproject.toml
	@echo 'Installing PyTorch (the largest part; some minutes) …'
	@$(PIP) $(INDEX) $(TORCH) torchvision
	@echo 'Installing JupyterLab and the rest …'
	@$(PIP) -r requirements.txt
	@$(BIN)/python -m pip --disable-pip-version-check -qq install --no-deps -e .
	@touch $@

$(TESTS): $(COURSE) requirements-dev.txt
	@echo 'Installing the test tools …'
	@$(PIP) -r requirements-dev.txt
	@touch $@
