"""``jsonapi-client`` against the server named on the command line; prints what it found as JSON."""

import json
import sys
from typing import Any

from jsonapi_client import Inclusion, Modifier, Session


def main(url: str) -> dict[str, object]:
    opened: Any = Session(f"{url}/jsonapi/v1")  # its annotations are those of its asynchronous twin
    with opened as session:
        everything = list(session.iterate("runs", Modifier("page[limit]=10")))
        filtered = session.get("runs", Modifier("filter[run_number][GE]=4&filter[run_number][LT]=6&sort=-run_number"))
        run = session.get("runs", 3).resource
        included = session.get("runs/3", Inclusion("downtimes")).resource
        downtime = session.get("downtimes/3", Inclusion("run")).resource
        lonely = session.get("downtimes/2", Inclusion("run")).resource
        return {
            "iterated": len({found.id for found in everything}),
            "filtered": [found["run_number"] for found in filtered.resources],
            "comment": run.shifter,
            "included": [found.category for found in included.downtimes],
            "fetched": [found.category for found in run.downtimes],
            "back": downtime.run["run_number"],
            "none": lonely.run,
        }


print(json.dumps(main(sys.argv[1])))  # noqa: T201  read by the test
