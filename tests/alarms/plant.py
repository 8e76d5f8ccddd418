"""An EPICS Base IOC in a process of its own, its records given as one database file; ends when its input closes."""

import sys

from epicscorelibs import ioc

if __name__ == "__main__":
    ioc.start_ioc(dbs=[(sys.argv[1], "")])
    sys.stdin.read()
