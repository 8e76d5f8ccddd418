#!/bin/sh
# All tests, in three processes side by side. What fails is tried once more, alone, and said to have been: limits in seconds,
# such as a page within 5 s of an alarm, are those of a machine that does nothing else at that moment.
set -u
cd "$(dirname "$0")/.."

most=10

.venv/bin/pytest -n 3 --no-loadscope-reorder --cache-clear "$@"
status=$?
[ $status -eq 1 ] || exit $status

failed=$(grep -c ': true' .pytest_cache/v/cache/lastfailed 2>/dev/null)
if [ "${failed:-0}" -eq 0 ] || [ "$failed" -gt $most ]; then
    exit $status
fi
printf '\ntest: %s failed side by side; now again, alone\n' "$failed"
exec .venv/bin/pytest --last-failed --last-failed-no-failures none "$@"
