"""A PostgreSQL server of our own, which tests may stop and start."""

import os
import shutil
import signal
import subprocess
import tempfile
import threading
from pathlib import Path

import pytest

INITDB = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))


class PostgresServer:
    """It refuses to run as root, so it then runs as postgres; it dies with the tests."""

    def __init__(self, port: int) -> None:
        if not INITDB:
            pytest.skip("PostgreSQL is not installed: no /usr/lib/postgresql/*/bin/initdb")
        self.port = port
        self._programs = INITDB[-1].parent
        root = os.geteuid() == 0
        user = ["--reuid=postgres", "--regid=postgres", "--clear-groups"] if root else []
        self._prefix = ["setpriv", *user, "--pdeathsig=QUIT"]
        self._environment = {"LC_ALL": "C", "PATH": os.environ["PATH"]}
        self._folder = Path(tempfile.mkdtemp(prefix="sipmdcs-pg-"))
        if root:
            shutil.chown(self._folder, "postgres", "postgres")
        self._data = str(self._folder / "data")
        initdb = [*self._prefix, str(self._programs / "initdb"), "-D", self._data, "-U", "postgres", "-A", "trust", "-N"]
        subprocess.run([*initdb, "-E", "UTF8"], check=True, stdout=subprocess.DEVNULL, cwd=self._folder, env=self._environment)
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
            [*self._prefix, str(self._programs / "postgres"), *arguments],
            stderr=subprocess.PIPE,
            text=True,
            cwd=self._folder,
            env=self._environment,
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

    def remove(self) -> None:
        """Stop and delete it."""
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)
