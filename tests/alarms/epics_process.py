"""pyepics in a process of its own, because libca reads its environment once. Requests and answers are JSON, one a line.

``{"put": {NAME: VALUE}}`` or ``{"get": [NAME, …]}``; the answer to get is ``{NAME: [value, severity] or null}``.
"""

import json
import sys

import epics


def main() -> None:
    pvs: dict[str, epics.PV] = {}
    for line in sys.stdin:
        request = json.loads(line)
        names = request.get("get") or list(request["put"])
        for name in names:
            pvs.setdefault(name, epics.PV(name, auto_monitor=False)).wait_for_connection(10)
        answer = {}
        for name in names:
            if "put" in request:
                pvs[name].put(request["put"][name], wait=True, timeout=10)
            elif (got := pvs[name].get_with_metadata(form="time", use_monitor=False, timeout=10)) is not None:
                answer[name] = [got["value"], got["severity"]]
            else:
                answer[name] = None
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
