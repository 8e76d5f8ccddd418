# Everything installs what it needs first, saying so; the second time that costs nothing.
#
#   make demo              a whole simulated detector with screens; Ctrl-C ends it
#     HEADLESS=1             without screens
#     SECONDS=30             ends by itself
#     SITE=folder            another site
#     PLAY=file              plays a scenario, such as examples/padme-like/hour.yaml
#   make test              all checks and tests; the type checker runs beside the tests
#   make lint bench screenshots docs install clean
#   make page              build web/page from web/frontend, after a change there
#   make lock              renew requirements.lock after a change of pyproject.toml
#
#   PYTHON=python3.12      the Python to build .venv with, 3.11 or newer

BIN := .venv/bin
export PYTHON

.PHONY: demo test lint style bench screenshots docs install page lock clean
.DEFAULT_GOAL := install

install:
	@scripts/install.sh

demo: install
	@$(BIN)/sipmdcs demo $(if $(HEADLESS),--headless) $(if $(SECONDS),--seconds $(SECONDS)) $(if $(PLAY),--play $(PLAY)) $(SITE)

test: style
	@scripts/test.sh

lint: style
	@$(BIN)/pyright

style: install
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/lint-imports

bench: install
	@$(BIN)/python bench/run.py

screenshots: install
	@scripts/screenshots.sh

docs: install
	@$(BIN)/mkdocs build --strict
	@echo "docs: site/index.html"

page: install
	@scripts/page.sh

lock: install
	@$(BIN)/uv pip compile --quiet --all-extras --generate-hashes --no-emit-index-url --no-annotate --no-header pyproject.toml -o requirements.lock

clean:
	@scripts/clean.sh
