"""A PostgreSQL server of our own, which tests may stop and start."""

import atexit
import os
import shutil
import signal
import subprocess
import tempfile
import threading
from functools import cache
from pathlib import Path

import psutil
import pytest

INITDB = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
_ROOT = os.geteuid() == 0
_PREFIX = ["setpriv", *(["--reuid=postgres", "--regid=postgres", "--clear-groups"] if _ROOT else []), "--pdeathsig=QUIT"]
_ENVIRONMENT = {"LC_ALL": "C", "PATH": os.environ["PATH"]}


class PostgresServer:
    """It refuses to run as root, so it then runs as postgres; it dies with the tests."""

    def __init__(self, port: int) -> None:
        if not INITDB:
            pytest.skip("PostgreSQL is not installed: no /usr/lib/postgresql/*/bin/initdb")
        self.port = port
        self._programs = INITDB[-1].parent
        self._folder = _own_folder()
        self._data = str(self._folder / "data")
        subprocess.run(
            [*_PREFIX, "cp", "-r", str(_empty_cluster()), self._data], check=True, cwd=self._folder, env=_ENVIRONMENT
        )
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Of the database ``postgres``, as its superuser."""
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Start and wait until it takes connections."""
        arguments = ["-D", self._data, "-p", str(self.port), "-h", "127.0.0.1", "-k", str(self._folder), "-F"]
        self._process = subprocess.Popen(
            [*_PREFIX, str(self._programs / "postgres"), *arguments],
            stderr=subprocess.PIPE,
            text=True,
            cwd=self._folder,
            env=_ENVIRONMENT,
        )
        assert self._process.stderr is not None
        log = self._process.stderr
        assert any("ready to accept connections" in line for line in log)
        # Nobody reads on: a full pipe would stop the server.
        self._reader = threading.Thread(target=log.read, daemon=True)
        self._reader.start()

    def stop(self) -> None:
        """Cut every connection and end, as a crash of its machine would; what was committed stays."""
        if self._process is None or self._reader is None:
            return
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait()
        self._reader.join()
        assert self._process.stderr is not None
        self._process.stderr.close()
        self._process = None

    def freeze(self) -> None:
        """Let it be silent: its kernel goes on taking connections and what is sent."""
        for process in self._processes():
            process.suspend()

    def thaw(self) -> None:
        """Let it go on."""
        for process in self._processes():
            process.resume()

    def _processes(self) -> list[psutil.Process]:
        assert self._process is not None
        postmaster = psutil.Process(self._process.pid)
        return [postmaster, *postmaster.children()]

    def remove(self) -> None:
        """Stop and delete it."""
        if self._process is not None:
            self.thaw()
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)


def _own_folder() -> Path:
    """A new one, of the user that the server runs as."""
    folder = Path(tempfile.mkdtemp(prefix="sipmdcs-pg-"))
    if _ROOT:
        shutil.chown(folder, "postgres", "postgres")
    return folder


@cache
def _empty_cluster() -> Path:
    """The data of a server that has never run, made once for all servers of this process."""
    folder = _own_folder()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    data = folder / "data"
    initdb = [*_PREFIX, str(INITDB[-1]), "-D", str(data), "-U", "postgres", "-A", "trust", "-N", "-E", "UTF8"]
    subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, cwd=folder, env=_ENVIRONMENT)
    return data
