#!/bin/sh
# Make .venv with everything in requirements.lock and the project itself.
# Downloads come from PyPI and Debian only; when everything is there already, nothing is downloaded and nothing is said.
set -eu
cd "$(dirname "$0")/.."

say() { printf 'install: %s\n' "$*"; }
fail() { printf 'install: %s\n' "$*" >&2; exit 1; }
key() { sha256sum "$@" | sha256sum | cut -c1-16; }

venv=.venv
locked=$venv/.locked-$(key requirements.lock)
pip="$venv/bin/pip install --quiet --disable-pip-version-check"
locked_wheels="--quiet --no-deps --require-hashes --only-binary :all: -r"
built=$venv/.built-$(key pyproject.toml sipmdcs/_capture.c sipmdcs/*.h)

scripts/debian-packages.sh

if [ ! -e "$locked" ]; then
    if [ ! -x $venv/bin/pip ]; then
        python=$(scripts/find-python.sh)
        say "making $venv with $python"
        rm -rf $venv
        "$python" -m venv $venv
    fi
    say "installing $(grep -c '^[a-z].*==' requirements.lock) packages from PyPI, as locked in requirements.lock"
    # uv does on every core what pip does on one; pip alone knows the mirror that its own settings name.
    sed -n '/^uv==/,/[^\\]$/p' requirements.lock | $pip $locked_wheels /dev/stdin \
        && $venv/bin/uv pip install --python $venv --system-certs --compile-bytecode $locked_wheels requirements.lock \
        || { say "uv did not install them; trying pip"; $pip $locked_wheels requirements.lock; } \
        || fail "pip failed; without network this works only once everything is installed"
    rm -f $venv/.locked-*
    : > "$locked"
fi

if [ ! -e "$built" ]; then
    say "building sipmdcs"
    $pip --no-index --no-deps --no-build-isolation --editable .
    $venv/bin/python -c 'import sipmdcs._capture' 2>/dev/null \
        || say "warning: the C capture extension was not built; the archiver will need more processor time"
    rm -f $venv/.built-*
    : > "$built"
fi
