"""A real EPICS Base IOC for comparison: ``base_ioc.py FILE.db DBD_FOLDER``; ends when stdin is closed."""

import sys

from epicscorelibs import ioc

if __name__ == "__main__":
    database, dbd_folder = sys.argv[1:]
    ioc.start_ioc(dbs=[(database, "")], extra_dbd_load=(("asyn-soft.dbd", dbd_folder),))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.read()
