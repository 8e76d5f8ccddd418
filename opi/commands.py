"""Command line of the screens."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, MutableMapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from opi.detector import ChannelNames, read_detector
from opi.environment import screen_environment
from sipmdcs.cli import pass_site
from sipmdcs.command_examples import examples
from sipmdcs.errors import BadInput, ServiceError
from sipmdcs.site import Site

if TYPE_CHECKING:
    from opi.session import Screen, Session

DEFAULT_SIZE = "1280x800"
DEFAULT_WAIT_S = 20.0
DEFAULT_SCREEN = "overview"

Command = TypeVar("Command", bound=Callable[..., Any])


class SizeType(click.ParamType):
    """``WIDTHxHEIGHT`` in pixels."""

    name = "WIDTHxHEIGHT"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """The two numbers."""
        if isinstance(value, tuple):
            return value
        width, _, height = str(value).partition("x")
        if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
            self.fail(f"{value} is not a size such as {DEFAULT_SIZE}", param, ctx)
        return int(width), int(height)


class ScreenGroup(click.Group):
    """A group that shows the overview when no screen is named."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0] not in self.commands and args[0] not in ctx.help_option_names):
            named = bool(args) and not args[0].startswith("-")
            args = args if named else [DEFAULT_SCREEN, *args]
        return super().parse_args(ctx, args)


def _picture_options(command: Command) -> Command:
    size = click.option("--size", type=SizeType(), default=DEFAULT_SIZE, show_default=True, help="Size of the window.")
    wait = click.option(
        "--wait",
        "wait_s",
        type=click.FloatRange(min=0),
        default=DEFAULT_WAIT_S,
        show_default=True,
        help="Seconds to wait for all PVs before a picture is taken.",
    )
    return size(wait(command))


def _window_options(command: Command) -> Command:
    fullscreen = click.option("--fullscreen", is_flag=True, help="Fill the display.")
    read_only = click.option("--read-only", is_flag=True, help="Refuse every write, as on a wall display.")
    screenshot = click.option(
        "--screenshot",
        "picture",
        type=click.Path(dir_okay=False, path_type=Path),
        help="Save a picture there and end; needs no display.",
    )
    return fullscreen(read_only(screenshot(_picture_options(command))))


@click.group(
    cls=ScreenGroup,
    epilog=examples(
        "sipmdcs opi",
        "sipmdcs opi channel PADME:PVETO:HV13:CH01",
        "sipmdcs opi --fullscreen --read-only",
        "sipmdcs opi --screenshot now.png --size 1920x1080",
    ),
)
def opi() -> None:
    """Operator screens: overview, faceplates, pictures of them."""


@opi.command(
    epilog=examples(
        "sipmdcs opi overview --fullscreen --read-only    # a wall display",
        "sipmdcs opi overview --screenshot now.png --size 1920x1080",
    ),
)
@_window_options
@pass_site
def overview(site: Site, fullscreen: bool, read_only: bool, picture: Path | None, size: tuple[int, int], wait_s: float) -> None:
    """The whole detector."""
    session = open_session(site, os.environ, windows=picture is None, read_only=read_only)
    _show(session, session.overview(), fullscreen, picture, size, wait_s)


@opi.command(
    epilog=examples(
        "sipmdcs opi channel PADME:PVETO:HV13:CH01",
        "sipmdcs opi channel PADME:PVETO:HV13:CH01 --screenshot channel.png",
    ),
)
@click.argument("name", metavar="PREFIX:CHnn")
@_window_options
@pass_site
def channel(
    site: Site, name: str, fullscreen: bool, read_only: bool, picture: Path | None, size: tuple[int, int], wait_s: float
) -> None:
    """One channel, such as PADME:PVETO:HV13:CH01."""
    names = find_channel(site, name)
    session = open_session(site, os.environ, windows=picture is None, read_only=read_only)
    _show(session, session.channel(names), fullscreen, picture, size, wait_s)


@opi.command(
    epilog=examples(
        "sipmdcs opi screenshots pictures --channel PADME:PVETO:HV13:CH01",
    ),
)
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--channel", "name", metavar="PREFIX:CHnn", help="Channel of the faceplate [the first one].")
@_picture_options
@pass_site
def screenshots(site: Site, folder: Path, name: str | None, size: tuple[int, int], wait_s: float) -> None:
    """Pictures of all screens, as they are at the moment, into FOLDER.

    The faceplate of a channel whose IOC is dead is shown as it is, as long as the rest of the detector answers.
    """
    names = find_channel(site, name) if name else read_detector(site).rows[0].channel(0)
    session = open_session(site, os.environ, windows=False, read_only=False)
    _save(session, session.overview(), folder / "overview.png", size, wait_s)
    _save(session, session.channel(names), folder / "channel.png", size, wait_s, dead=True)
    session.leave(0)


def open_session(site: Site, environ: MutableMapping[str, str], *, windows: bool, read_only: bool) -> Session:
    """Start Qt with the environment that the screens of a site need.

    Args:
        site: the installation.
        environ: environment of this process; it is added to.
        windows: whether windows are to be seen; pictures need no display.
        read_only: refuse every write.

    Raises:
        ServiceError: windows are wanted where there is no display, or Qt and PyDM are not installed.
    """
    if not has_display(environ):
        if windows:
            raise ServiceError("no display: set DISPLAY, or save a picture with --screenshot FILE")
        environ["QT_QPA_PLATFORM"] = "offscreen"
    environ.update(screen_environment(site))
    try:
        from opi.session import Session
    except ImportError as err:
        raise ServiceError(f"the screens need Qt and PyDM ({err}); install them with: pip install 'sipmdcs[opi]'") from err
    return Session(site, read_only=read_only)


def has_display(environ: Mapping[str, str]) -> bool:
    """Whether windows can be shown: a display server, or a platform chosen by hand."""
    return any(environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"))


def find_channel(site: Site, name: str) -> ChannelNames:
    """The channel that a user named.

    Raises:
        BadInput: the site has none of that name.
    """
    controller, _, channel_name = name.rpartition(":")
    detector = read_detector(site)
    row = detector.row_of(controller)
    if row is None:
        known = ", ".join(row.prefix for row in detector.rows)
        raise BadInput(f"no controller {controller or name} in this site, which has {known}", key=name)
    for index in range(row.channels):
        if row.channel(index).channel == channel_name:
            return row.channel(index)
    raise BadInput(f"{row.prefix} has channels CH01 to {row.channel(row.channels - 1).channel}", key=name)


def _show(
    session: Session, screen: Screen, fullscreen: bool, picture: Path | None, size: tuple[int, int], wait_s: float
) -> None:
    if picture is None:
        status = session.run(screen, size, fullscreen=fullscreen)
    else:
        _save(session, screen, picture, size, wait_s)
        status = 0
    session.leave(status)


def _save(session: Session, screen: Screen, path: Path, size: tuple[int, int], wait_s: float, *, dead: bool = False) -> None:
    connected, every = session.picture(screen, size, wait_s, path, dead=dead)
    click.echo(f"{path}: {connected} of {every} PVs connected")
