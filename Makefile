# Everything is set up on first use, in .venv; no target needs anything but Python 3.11 or later.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
QUESTION ?= voice/samples/capital_of_france.flac
SERVE ?=

.DEFAULT_GOAL := help
.PHONY: help talk ask test test-slow check bench voicebench train evaluate clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  PYTHON=$(PYTHON) makes the environment; QUESTION=FILE is what 'make ask' asks;"
	@echo "  SERVE='--port 9000 …' are options of 'parley serve' for 'make talk'."

talk: $(VENV)/ready ## talk with the built-in model in the browser; prints the address
	@$(BIN)/parley serve $(SERVE)

ask: $(VENV)/ready ## ask the built-in model a spoken question; writes reply.wav
	$(BIN)/parley ask $(QUESTION) -o reply.wav

test: $(VENV)/ready-dev chromium pulseaudio ## run the tests
	$(BIN)/python -m pytest -q

test-slow: $(VENV)/ready-dev chromium pulseaudio ## run the tests that take long, too
	$(BIN)/python -m pytest -q --slow

check: $(VENV)/ready-dev ## lint, format and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

bench: $(VENV)/ready-dev ## run the CPU benchmarks
	$(BIN)/python -m benchmarks

voicebench: $(VENV)/ready-dev ## make the small VoiceBench, run it and score it; minutes
	$(BIN)/python -m benchmarks.voicebench

train: $(VENV)/ready-dev ## train the built-in model from nothing; hours on a laptop
	$(BIN)/parley train

evaluate: $(VENV)/ready-dev ## ask the built-in model 500 unseen questions
	$(BIN)/parley train --evaluate

clean: ## remove the environment and what tools left behind
	rm -rf $(VENV) .pytest_cache .ruff_cache .mypy_cache .hypothesis *.egg-info reply.wav

# The page is tested in a real browser where there is one, or apt may install it.
.PHONY: chromium
chromium:
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || \
		{ [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && \
		echo "Installing Chromium, for the tests of the page." && apt-get update -qq && \
		DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium \
		>/dev/null; } || echo "No Chromium could be installed: the tests of the page are skipped." >&2

# The microphone is tested with sound devices in which nothing sounds, where there are some.
SOUND := pulseaudio pulseaudio-utils libportaudio2 libasound2-plugins
.PHONY: pulseaudio
pulseaudio:
	@{ command -v pulseaudio && command -v paplay && ls /usr/lib/*/libportaudio.so.2 && \
		ls /usr/lib/*/alsa-lib/libasound_module_pcm_pulse.so; } >/dev/null 2>&1 || \
		{ [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && \
		echo "Installing PulseAudio and PortAudio, for the tests of the microphone." && \
		apt-get update -qq && \
		DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(SOUND) \
		>/dev/null; } || echo "No PulseAudio could be installed: tests with sound devices are skipped." >&2

# A stamp is newer than what it was made from, so that nothing is set up twice.

$(VENV)/python: | require-python
	$(PYTHON) -m venv $(VENV)
	@touch $@

.PHONY: require-python
require-python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo "Parley needs Python 3.11 or later: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
		{ echo "this Python has no venv: install it (Debian: apt install python3-venv)" >&2; exit 1; }

$(VENV)/ready: $(VENV)/python pyproject.toml constraints.txt
	@echo "Installing Parley and what it needs into $(VENV); once, a few minutes."
	@$(BIN)/python -m pip install -qq --constraint constraints.txt --editable '.[espeak]'
	@touch $@

$(VENV)/ready-dev: $(VENV)/ready
	@echo "Installing the tools for development into $(VENV); once."
	@$(BIN)/python -m pip install -qq --constraint constraints.txt --editable '.[espeak,train,voicebench,dev]'
	@touch $@
