#!/bin/sh
# Remove what was made, not what a site keeps in var/.
set -eu
cd "$(dirname "$0")/.."

rm -rf .venv build dist site ./*.egg-info .pytest_cache .ruff_cache .hypothesis .import_linter_cache sipmdcs/*.so
find . -name __pycache__ -type d -prune -exec rm -rf {} +
