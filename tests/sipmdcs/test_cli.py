"""The program as a user meets it, in a process of its own; commands come from a plug-in written for each test."""

import os
import re
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

SITE = """\
name: Test
prefix: TST
channel_access: {server_port: 15064}
controllers:
  PS1: {driver: c11204, id: "1", subsystem: LAB, port: sim}
iocs:
  bench: {controllers: [PS1]}
"""

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def plugin(tmp_path: Path) -> Callable[[str], None]:
    """Installs the commands of a module's text: every ``command`` decorated function under its name."""
    folder = tmp_path / "plugin"
    info = folder / "probe-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: probe\nVersion: 1.0\n", "utf-8")

    def install(text: str, *names: str) -> None:
        (folder / "probe_commands.py").write_text(textwrap.dedent(text), "utf-8")
        points = "\n".join(f"{name} = probe_commands:{name}" for name in names or ("probe",))
        (info / "entry_points.txt").write_text(f"[sipmdcs.commands]\n{points}\n", "utf-8")

    return install


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("EPICS_", "SIPMDCS_"))}
    return clean | {"PYTHONPATH": str(tmp_path / "plugin"), "XDG_STATE_HOME": str(tmp_path / "state")}


@pytest.fixture
def run(environment: dict[str, str], tmp_path: Path) -> Run:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-P", "-m", "sipmdcs", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=50, env=environment, cwd=tmp_path, check=False)

    return run


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "site.yaml").write_text(SITE, "utf-8")
    return folder


def test_help_lists_all_commands_without_importing_any(run: Run, plugin: Callable[..., None]) -> None:
    plugin(
        '''
        import click
        raise SystemExit("imported")

        @click.command()
        def probe():
            """Shown without an import.

            More text.
            """
        '''
    )
    done = run("--help")
    assert done.returncode == 0
    assert re.search(r"probe +Shown without an import\.\n", done.stdout)
    assert "More text" not in done.stdout
    for name in ("up", "down", "status", "demo", "doctor"):
        assert f"\n  {name} " in done.stdout
    assert "broken" not in "".join(line for line in done.stdout.splitlines() if line.startswith(("  up", "  doctor")))


def test_help_loads_nothing_heavy() -> None:
    program = "import sys, sipmdcs.cli\ntry: sipmdcs.cli.main()\nexcept SystemExit: print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program, "--help"], capture_output=True, text=True, timeout=60, check=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "sipmdcs.cli" in loaded
    assert not loaded & {
        "numpy",
        "sqlalchemy",
        "caproto",
        "epics",
        "qtpy",
        "fastapi",
        "dask",
        "bluesky",
        "pandas",
        "matplotlib",
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "import no_such_module",
            "command probe is broken: probe_commands:probe: ModuleNotFoundError: No module named 'no_such_module'",
        ),
        ("def probe(: pass", "command probe is broken: probe_commands:probe: SyntaxError: invalid syntax"),
        ("other = 1", "command probe is broken: probe_commands:probe: AttributeError: "),
        ("probe = 1", "command probe is broken: probe_commands:probe is not a click command"),
    ],
)
def test_broken_part_is_one_line_and_harms_no_other(run: Run, plugin: Callable[..., None], text: str, said: str) -> None:
    plugin(text)
    done = run("probe")
    assert done.returncode == 1
    assert done.stderr.startswith(f"Error: {said}")
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""
    assert run("--help").returncode == 0


COMMAND = """
    import asyncio, os, sys, click
    from sipmdcs.cli import pass_site
    from sipmdcs.errors import BadInput, ServiceError

    @click.command()
    @click.argument("what")
    @pass_site
    def probe(site, what):
        match what:
            case "environment":
                click.echo(f"{site.file.prefix} {os.environ['EPICS_CA_SERVER_PORT']} {os.environ['EPICS_CA_ADDR_LIST']}")
            case "dcs":
                raise BadInput("is missing", file="a.yaml", line=3, key="x")
            case "group":
                async def fail(text):
                    raise ServiceError(text)
                async def both():
                    async with asyncio.TaskGroup() as group:
                        group.create_task(fail("one"))
                        group.create_task(fail("two"))
                asyncio.run(both())
            case "bug":
                raise KeyError("oops")
            case "wait":
                async def wait():
                    click.echo("waiting")
                    await asyncio.sleep(60)
                asyncio.run(wait())
            case "prompt":
                click.prompt("name")
            case "much":
                for _ in range(100_000):
                    click.echo("x" * 100)
"""


def test_site_is_given_and_its_environment_set(run: Run, plugin: Callable[..., None], site: Path) -> None:
    plugin(COMMAND)
    done = run("--site", str(site), "probe", "environment")
    assert (done.returncode, done.stdout) == (0, "TST 15064 127.255.255.255\n")


def test_site_comes_from_environment_or_current_folder(
    run: Run, plugin: Callable[..., None], site: Path, environment: dict[str, str]
) -> None:
    plugin(COMMAND)
    done = run("probe", "environment")
    assert done.returncode == 1
    assert done.stderr == f"Error: {site.parent}: no site.yaml here; name a site folder with --site\n"
    environment["SIPMDCS_SITE"] = str(site)
    assert run("probe", "environment").returncode == 0


def test_error_of_ours_is_one_line(run: Run, plugin: Callable[..., None], site: Path) -> None:
    plugin(COMMAND)
    done = run("--site", str(site), "probe", "dcs")
    assert (done.returncode, done.stderr) == (1, "Error: a.yaml:3: x: is missing\n")
    done = run("--site", str(site), "probe", "group")
    assert (done.returncode, done.stderr) == (1, "Error: one\ntwo\n")


def test_bug_leaves_its_traceback_in_the_log_of_the_site(run: Run, plugin: Callable[..., None], site: Path) -> None:
    plugin(COMMAND)
    done = run("--site", str(site), "probe", "bug")
    log = site / "var" / "log" / "errors.log"
    assert (done.returncode, done.stderr) == (1, f"Error: unexpected KeyError: 'oops' (traceback in {log})\n")
    text = log.read_text("utf-8")
    assert "Traceback (most recent call last)" in text
    assert 'raise KeyError("oops")' in text


def test_bug_without_a_site_is_logged_for_the_user(run: Run, plugin: Callable[..., None], tmp_path: Path) -> None:
    plugin("import click\n@click.command()\ndef probe():\n    1 / 0\n")
    done = run("probe")
    log = tmp_path / "state" / "sipmdcs" / "errors.log"
    assert (done.returncode, done.stderr) == (
        1,
        f"Error: unexpected ZeroDivisionError: division by zero (traceback in {log})\n",
    )
    assert log.is_file()


@pytest.mark.parametrize("arguments", [["nonsense"], ["--log-level", "loud", "up"], ["up", "--nonsense"], ["probe"]])
def test_wrong_use_exits_2(run: Run, plugin: Callable[..., None], site: Path, arguments: list[str]) -> None:
    plugin(COMMAND)
    done = run("--site", str(site), *arguments)
    assert done.returncode == 2
    assert "Usage:" in done.stderr


@pytest.mark.parametrize("what", ["wait", "prompt"])
def test_interrupt_exits_130_quietly(plugin: Callable[..., None], site: Path, environment: dict[str, str], what: str) -> None:
    plugin(COMMAND)
    command = [sys.executable, "-P", "-m", "sipmdcs", "--site", str(site), "probe", what]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, env=environment, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.read(4)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert err.strip() == "interrupted"


def test_closed_pipe_is_no_error(plugin: Callable[..., None], site: Path, environment: dict[str, str]) -> None:
    plugin(COMMAND)
    command = [sys.executable, "-P", "-m", "sipmdcs", "--site", str(site), "probe", "much"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""


def test_version(run: Run) -> None:
    assert run("--version").stdout.startswith("sipmdcs, version ")


def test_what_is_wrong_with_the_machine_is_no_bug(plugin: Callable[..., None], run: Run) -> None:
    plugin("""
        import click

        @click.command()
        def probe():
            with open("/dev/full", "w") as file:
                file.write("x")

        @click.command()
        def named():
            open("/proc/1/cmdline/x")
    """, "probe", "named")  # fmt: skip
    done = run("probe")
    assert (done.returncode, done.stderr) == (1, "Error: No space left on device\n")
    done = run("named")
    assert (done.returncode, done.stderr) == (1, "Error: /proc/1/cmdline/x: Not a directory\n")
