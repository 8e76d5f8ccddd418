"""Configuration of supervisord for one site (supervisord.org/configuration.html).

Nothing a user chose goes into the text but names of programs: supervisord expands ``%`` and cuts at `` ;``. Paths are relative
to the site folder, where supervisord starts, or come through the environment.
"""

from __future__ import annotations

import getpass
import os
import shlex
import sys
from collections.abc import Sequence
from itertools import groupby

from sipmdcs import notify
from sipmdcs.site import Site
from sipmdcs.supervise.keeper import EVENTS
from sipmdcs.supervise.processes import MARKER
from sipmdcs.supervise.programs import Program
from sipmdcs.supervise.run_folder import RunFolder

STOP_WAIT_S = 20
"""How long a process may take to stop before it is killed."""

_LOG_BYTES = "10MB"
_LOG_BACKUPS = 5

_HEAD = """\
[supervisord]
identifier=sipmdcs
logfile=var/log/supervisord.log
logfile_maxbytes={log_bytes}
logfile_backups={log_backups}
pidfile=var/run/supervisord.pid
nocleanup=true
minfds=64
umask=022
{user}
[unix_http_server]
file=%(ENV_SIPMDCS_SOCKET)s
chmod=0700

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface

[eventlistener:keeper]
command=%(ENV_SIPMDCS_PYTHON)s -P -m sipmdcs.supervise.keeper var/run/keeper.json
events={events}
buffer_size=1000
autostart=true
autorestart=true
startsecs=1
startretries=1000000
stderr_logfile=var/log/keeper.log
stderr_logfile_maxbytes={log_bytes}
stderr_logfile_backups={log_backups}
stdout_logfile=NONE
"""

_PROGRAM = """
[program:{name}]
command=%(ENV_SIPMDCS_PYTHON)s -P -m sipmdcs --site %(ENV_SIPMDCS_QUOTED_SITE)s --log-level info {arguments}
autostart=false
autorestart=false
startsecs=0
startretries=0
stopwaitsecs={stop_wait}
stopasgroup=true
killasgroup=true
redirect_stderr=true
stdout_logfile=var/log/{name}.log
stdout_logfile_maxbytes={log_bytes}
stdout_logfile_backups={log_backups}
"""

_GROUP = """
[group:{name}]
programs={programs}
priority={priority}
"""


def supervisor_conf(programs: Sequence[Program]) -> str:
    """Text of the configuration: the keeper, and each program in the group of its stage.

    Programs do not start by themselves: ``up`` starts them in order, the keeper starts them again. The group with the highest
    priority is stopped first.
    """
    logs = {"log_bytes": _LOG_BYTES, "log_backups": _LOG_BACKUPS}
    # Without this, supervisord warns that it was not told to stay root.
    user = f"user={getpass.getuser()}\n" if os.getuid() == 0 else ""
    parts = [_HEAD.format(events=",".join(EVENTS), user=user, **logs)]
    for program in programs:
        arguments = shlex.join(program.arguments)
        parts.append(_PROGRAM.format(name=program.name, arguments=arguments, stop_wait=STOP_WAIT_S, **logs))
    for stage, members in groupby(sorted(programs, key=lambda program: program.stage), key=lambda program: program.stage):
        names = ",".join(program.name for program in members)
        parts.append(_GROUP.format(name=stage.group, programs=names, priority=int(stage)))
    return "".join(parts)


def supervisor_environment(site: Site) -> dict[str, str]:
    """Environment of supervisord and of all its children."""
    return (
        os.environ
        | site.ca_environment()
        | {
            MARKER: str(site.folder),
            "SIPMDCS_SITE": str(site.folder),
            "SIPMDCS_QUOTED_SITE": shlex.quote(str(site.folder)),
            "SIPMDCS_PYTHON": shlex.quote(sys.executable),
            "SIPMDCS_SOCKET": str(RunFolder.of(site.folder).socket),
            notify.VARIABLE: str(RunFolder.of(site.folder).notify_socket),
            "PYTHONUNBUFFERED": "1",
        }
    )
