"""What a process asks of its disk: a shim before libc that records, delays and fails fsync and its like.

``FsyncRecorder`` compiles the shim and starts programs under it. Every ``fsync``, ``fdatasync``, ``rename`` and ``writev``
of such a process, of SQLite and Arrow as well, is a line of ``calls``; ``control`` makes calls about paths that contain a text
slow or fail, at once and also in a process that is already running.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static void name_of(int fd, char *path, size_t size) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, size - 1);
    path[length > 0 ? length : 0] = 0;
}

static void record(const char *call, const char *path) {
    char line[4200];
    int length = snprintf(line, sizeof line, "%s %s\n", call, path);
    int fd = open(getenv("FSYNC_CALLS"), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (fd >= 0) { if (write(fd, line, length)) {} close(fd); }
}

/* Lines of the control file: CALL PART MILLISECONDS, or CALL PART fail. */
static int refused(const char *call, const char *path) {
    char text[4096], what[64], part[512], how[64], *line, *rest;
    int fd = open(getenv("FSYNC_CONTROL"), O_RDONLY | O_CLOEXEC), fails = 0;
    if (fd < 0) return 0;
    ssize_t length = read(fd, text, sizeof text - 1);
    close(fd);
    text[length > 0 ? length : 0] = 0;
    for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(0, "\n", &rest)) {
        if (sscanf(line, "%63s %511s %63s", what, part, how) != 3 || strcmp(what, call) || !strstr(path, part)) continue;
        if (!strcmp(how, "fail")) fails = 1;
        else { long ms = atol(how); struct timespec t = {ms / 1000, ms % 1000 * 1000000}; nanosleep(&t, 0); }
    }
    return fails;
}

#define SYNC(NAME) \
int NAME(int fd) { \
    char path[4096]; \
    int (*real)(int) = dlsym(RTLD_NEXT, #NAME); \
    name_of(fd, path, sizeof path); \
    record(#NAME, path); \
    if (refused(#NAME, path)) { errno = EIO; return -1; } \
    return real(fd); \
}
SYNC(fsync)
SYNC(fdatasync)

ssize_t writev(int fd, const struct iovec *parts, int count) {
    char path[4096];
    ssize_t (*real)(int, const struct iovec *, int) = dlsym(RTLD_NEXT, "writev");
    name_of(fd, path, sizeof path);
    record("writev", path);
    if (refused("writev", path)) { errno = EIO; return -1; }
    return real(fd, parts, count);
}

int rename(const char *from, const char *to) {
    int (*real)(const char *, const char *) = dlsym(RTLD_NEXT, "rename");
    record("rename", to);
    if (refused("rename", to)) { errno = EIO; return -1; }
    return real(from, to);
}
"""


@dataclass(frozen=True)
class Call:
    """One call, in the order in which it was made."""

    name: str
    path: Path


class FsyncRecorder:
    """The shim and its two files in one folder."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._library = folder / "shim.so"
        self._calls = folder / "calls"
        self._control = folder / "control"
        source = folder / "shim.c"
        source.write_text(_SHIM)
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", self._library, source, "-ldl"], check=True, capture_output=True)

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to be recorded."""
        return {"LD_PRELOAD": str(self._library), "FSYNC_CALLS": str(self._calls), "FSYNC_CONTROL": str(self._control)}

    def control(self, *rules: str) -> None:
        """What happens from now on: ``CALL PART MILLISECONDS`` or ``CALL PART fail``; nothing without rules."""
        spare = self._control.with_suffix(".new")
        spare.write_text("".join(f"{rule}\n" for rule in rules))
        spare.replace(self._control)

    @property
    def calls(self) -> list[Call]:
        """Everything that was recorded."""
        if not self._calls.exists():
            return []
        parts = (line.split(" ", 1) for line in self._calls.read_text().splitlines())
        return [Call(name, Path(path)) for name, path in parts]

    def run(self, program: str, arguments: Sequence[object] = ()) -> list[Call]:
        """Run a Python program under the shim; its calls, and its errors as the test's."""
        before = len(self.calls)
        command = [sys.executable, "-c", program, *map(str, arguments)]
        done = subprocess.run(
            command, env=os.environ | self.environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr
        return self.calls[before:]


def durable(calls: Sequence[Call], path: Path) -> bool:
    """Whether a file that was written under another name was forced to the disk, renamed, and its folder forced after that.

    A file that got no other name must have been forced, and its folder as well.
    """
    forced = [index for index, call in enumerate(calls) if call.name in ("fsync", "fdatasync") and not call.path.is_dir()]
    renamed = [index for index, call in enumerate(calls) if call.name == "rename" and call.path == path]
    folder = [index for index, call in enumerate(calls) if call.name == "fsync" and call.path == path.parent]
    if renamed:
        before = [i for i in forced if i < renamed[-1] and calls[i].path.parent == path.parent]
        return bool(before) and any(index > renamed[-1] for index in folder)
    return any(calls[index].path == path for index in forced) and bool(folder)
