#!/bin/sh
# All tests, in two processes side by side. What fails is tried once more, alone, and said to have been: limits in seconds,
# such as a page within 5 s of an alarm, are those of a machine that does nothing else at that moment.
set -u
cd "$(dirname "$0")/.."

MOST=10

.venv/bin/pytest -n 2 --no-loadscope-reorder "$@"
status=$?
[ $status -eq 1 ] || exit $status

failed=$(.venv/bin/pytest --last-failed --collect-only -q "$@" 2>/dev/null | grep -c '::')
if [ "$failed" -eq 0 ] || [ "$failed" -gt $MOST ]; then
    exit $status
fi
echo
echo "test: $failed failed side by side; now each of them alone"
exec .venv/bin/pytest --last-failed --last-failed-no-failures none "$@"
