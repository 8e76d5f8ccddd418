"""The one program ``sipmdcs``: finds its sub-commands through the entry-point group ``sipmdcs.commands``.

Exit status: 0 done, 1 it failed and said why on stderr, 2 wrong use, 130 interrupted. A ``DcsError`` is shown as one line;
anything else unexpected as one line that names the file with the traceback.
"""

from __future__ import annotations

import errno
import functools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

import click

from sipmdcs import __version__
from sipmdcs.command_examples import examples
from sipmdcs.command_summary import command_summary
from sipmdcs.errors import DcsError, ServiceError
from sipmdcs.installed import installed
from sipmdcs.logs import LEVELS, configure_logging, write_traceback
from sipmdcs.redaction import redact

if TYPE_CHECKING:
    from sipmdcs.site import Site

GROUP = "sipmdcs.commands"

P = ParamSpec("P")
R = TypeVar("R")


@dataclass
class Invocation:
    """What the global options say; the context object of every command."""

    folder: Path
    log_level: str

    @cached_property
    def site(self) -> Site:
        """The site folder, read when first asked for.

        Raises:
            BadInput: there is no site or its file is wrong.
        """
        from sipmdcs.site import Site  # pydantic costs 0.2 s, which --help need not pay

        return Site(self.folder)


pass_invocation = click.make_pass_decorator(Invocation)
"""Give a command the ``Invocation`` as first argument: for commands that do without a readable site."""


def pass_site(command: Callable[Concatenate[Site, P], R]) -> Callable[P, R]:
    """Give a command the ``Site`` as first argument, its EPICS environment variables set for this process and its children."""

    @functools.wraps(command)
    def with_site(*args: P.args, **kwargs: P.kwargs) -> R:
        invocation = click.get_current_context().find_object(Invocation)
        if invocation is None:
            raise RuntimeError("the command was not started through sipmdcs.cli.main")
        os.environ.update(invocation.site.ca_environment())
        return command(invocation.site, *args, **kwargs)

    return with_site


class Program(click.Group):
    """Group whose sub-commands are imported only when they run."""

    @cached_property
    def points(self) -> dict[str, EntryPoint]:
        """Installed sub-commands by name; of two with one name the first on the module path counts, as for modules."""
        found: dict[str, EntryPoint] = {}
        for point in installed(GROUP):
            found.setdefault(point.name, point)
        return found

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(self.points)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.points:
            return None
        point = self.points[cmd_name]
        try:
            command = point.load()
        except DcsError:
            raise
        except Exception as err:  # a part may be broken in any way, and the others must not suffer
            path = write_traceback(err, _log_folder(ctx))
            raise ServiceError(f"command {cmd_name} is broken: {point.value}: {_one_line(err)} (traceback in {path})") from err
        if not isinstance(command, click.Command):
            raise ServiceError(f"command {cmd_name} is broken: {point.value} is not a click command")
        if isinstance(command, click.Group):
            _list_in_full(command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, command_summary(self.points[name])) for name in self.list_commands(ctx)])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, BrokenPipeError):
            raise
        except (KeyboardInterrupt, click.Abort):
            click.echo("interrupted", err=True)
            ctx.exit(130)
        except Exception as err:
            raise _explanation(ctx, err) from err


def _list_in_full(group: click.Group) -> None:
    """Have the sub-commands of a group listed with their whole first line; click would end it in dots at 45 characters."""
    for command in group.commands.values():
        command.short_help = command.short_help or (command.help or "").partition("\n")[0]


def _explanation(ctx: click.Context, err: Exception) -> click.ClickException:
    """What the user is told about an error; one that is no ``DcsError`` leaves its traceback in a file."""
    causes = list(_leaves(err))
    if all(isinstance(cause, DcsError) for cause in causes):
        return click.ClickException("\n".join(dict.fromkeys(map(str, causes))))
    if all(isinstance(cause, DcsError) or _is_of_the_machine(cause) for cause in causes):
        return click.ClickException("\n".join(dict.fromkeys(map(_told, causes))))
    path = write_traceback(err, _log_folder(ctx))
    bug = next(cause for cause in causes if not isinstance(cause, DcsError))
    return click.ClickException(f"unexpected {_one_line(bug)} (traceback in {path})")


_OF_THE_MACHINE = {
    errno.EACCES, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ELOOP, errno.EMFILE, errno.ENAMETOOLONG,
    errno.ENFILE, errno.ENOMEM, errno.ENOSPC, errno.ENOTDIR, errno.EPERM, errno.EROFS,
}  # fmt: skip
"""What any access to a file may meet, and no bug of ours: a full disk, a folder that is somebody else's."""


def _is_of_the_machine(err: BaseException) -> bool:
    return isinstance(err, OSError) and err.errno in _OF_THE_MACHINE


def _told(err: BaseException) -> str:
    if not isinstance(err, OSError):
        return str(err)
    return ": ".join(str(part) for part in (err.filename, err.strerror) if part)


def _leaves(err: BaseException) -> Iterator[BaseException]:
    """The exceptions in a group of groups, as a ``TaskGroup`` raises them."""
    if isinstance(err, BaseExceptionGroup):
        for inner in err.exceptions:
            yield from _leaves(inner)
    else:
        yield err


def _one_line(err: BaseException) -> str:
    return redact(f"{type(err).__name__}: {err}".partition("\n")[0])


def _log_folder(ctx: click.Context) -> Path | None:
    """Log folder of the site that was named, if that is one."""
    invocation = ctx.find_object(Invocation)
    if invocation is None or not os.path.isfile(invocation.folder / "site.yaml"):  # noqa: PTH113 - Path.is_file may raise
        return None
    return invocation.folder.resolve() / "var" / "log"


@click.group(
    cls=Program,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
    epilog=examples(
        "sipmdcs demo                              # a simulated detector with screens, until Ctrl-C",
        "sipmdcs --site ~/mysite doctor            # is this site fit to start?",
        "sipmdcs --site ~/mysite up                # start it; then: status, down",
        "sipmdcs COMMAND --help                    # every command explains itself, with examples",
    ),
)
@click.option(
    "--site",
    "folder",
    type=click.Path(path_type=Path),
    envvar="SIPMDCS_SITE",
    default=Path(),
    help="Site folder [SIPMDCS_SITE, else the current folder].",
)
@click.option("--log-level", type=click.Choice(LEVELS), default="warning", show_default=True, help="What to log on stderr.")
@click.version_option(__version__, prog_name="sipmdcs")
@click.pass_context
def main(ctx: click.Context, folder: Path, log_level: str) -> None:
    """Detector control system for SiPM experiments, on EPICS."""
    configure_logging(log_level)
    ctx.obj = Invocation(folder, log_level)
