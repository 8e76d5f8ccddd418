#!/bin/sh
# All tests, in three processes side by side, and the type checker beside them. What fails is tried once more, alone, and said to
# have been: limits in seconds, such as a page within 5 s of an alarm, are those of a machine that does nothing else at that moment.
set -u
cd "$(dirname "$0")/.."

most=10

# Tests start hundreds of processes, and each would compile the project anew.
unset PYTHONDONTWRITEBYTECODE

types=$(mktemp)
setsid nice .venv/bin/pyright >"$types" 2>&1 &
checker=$!
trap 'kill -- -$checker 2>/dev/null; rm -f "$types"' EXIT
trap 'exit 130' INT TERM

.venv/bin/pytest -n 3 --no-loadscope-reorder --cache-clear "$@"
status=$?
failed=$(grep -c ': true' .pytest_cache/v/cache/lastfailed 2>/dev/null)
if [ $status -eq 1 ] && [ "${failed:-0}" -gt 0 ] && [ "$failed" -le $most ]; then
    printf '\ntest: %s failed side by side; now again, alone\n' "$failed"
    .venv/bin/pytest --last-failed --last-failed-no-failures none "$@"
    status=$?
fi

if ! wait $checker; then
    printf '\ntest: the type checker found mistakes\n'
    cat "$types"
    [ $status -ne 0 ] || status=1
fi
exit $status
