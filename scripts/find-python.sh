#!/bin/sh
# Name a Python of version 3.11 or newer: $PYTHON if given, else the first that is found.
set -eu

new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

for name in ${PYTHON:-python3.11 python3.12 python3.13 python3.14 python3}; do
    if path=$(command -v "$name") && new_enough "$path"; then
        printf '%s\n' "$path"
        exit 0
    fi
done
printf 'install: %s is not Python 3.11 or newer; install python3.11, or say make PYTHON=/path/to/python\n' \
    "${PYTHON:-no python3 found}" >&2
exit 1
