#!/bin/sh
# Install the Debian packages that PyPI does not replace, those that are missing, in one call of apt-get.
# On another system it says what is needed and goes on.
set -eu
cd "$(dirname "$0")/.."

say() { printf 'install: %s\n' "$*"; }

# What Qt 6 loads at run time, on a real display or offscreen; a font, so that screens look the same everywhere;
# a display without a screen, for screenshots, and keys for it; the hot cache; the database that the tests run beside SQLite,
# and the browser in which they open the page.
wanted="libgl1 libglib2.0-0 libfontconfig1 libxkbcommon0 libegl1 libdbus-1-3
    libxcb-icccm4 libxcb-image0 libxcb-keysyms1 libxcb-render-util0 libxcb-shape0 libxcb-cursor0 libxkbcommon-x11-0
    fonts-dejavu-core xvfb xdotool memcached postgresql chromium"

command -v cc >/dev/null || wanted="$wanted gcc libc6-dev"
if [ ! -x .venv/bin/pip ]; then
    python=$(scripts/find-python.sh)
    case $(readlink -f "$python") in
        /usr/bin/python3.*)
            version=$("$python" -c 'import sys; print("python%d.%d" % sys.version_info[:2])')
            wanted="$wanted $version-venv $version-dev"
            ;;
    esac
fi

stamp=.venv/.debian-$(printf '%s' "$wanted" | sha256sum | cut -c1-16)
[ ! -e "$stamp" ] || exit 0

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    say "warning: this is not Debian; if Qt does not start, install what corresponds to:" $wanted
    exit 0
fi

missing=
for package in $wanted; do
    status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$status" = installed ] || missing="$missing $package"
done

if [ -n "$missing" ]; then
    root=
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null; then
            printf 'install: these Debian packages are missing, and there is no sudo to install them:%s\n' "$missing" >&2
            exit 1
        fi
        root=sudo
    fi
    say "installing Debian packages${root:+ with sudo}:$missing"
    log=$(mktemp)
    if ! {
        $root apt-get update --quiet=2 &&
            $root env DEBIAN_FRONTEND=noninteractive apt-get install --quiet=2 --yes --no-install-recommends $missing
    } >"$log" 2>&1; then
        cat "$log" >&2
        printf 'install: that failed; have somebody who may install these Debian packages:%s\n' "$missing" >&2
        rm -f "$log"
        exit 1
    fi
    rm -f "$log"
fi
if [ -d .venv ]; then
    : > "$stamp"
fi
