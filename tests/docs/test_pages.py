"""Links lead somewhere, and a build with one that does not fails."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
_LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")


def test_links_of_the_readme_lead_somewhere() -> None:
    text = (PROJECT / "README.md").read_text("utf-8")
    targets = _LINK.findall(text)
    assert targets
    assert not [target for target in targets if not (PROJECT / target).exists()]


@pytest.mark.parametrize("link", ["[x](nowhere.md)", "[x](index.md#nowhere)", "![x](nowhere.png)"])
def test_a_broken_link_fails_the_build(tmp_path: Path, link: str) -> None:
    shutil.copy(PROJECT / "mkdocs.yml", tmp_path)
    (tmp_path / "docs").mkdir()
    index = tmp_path / "docs" / "index.md"
    build = [sys.executable, "-m", "mkdocs", "build", "--strict"]
    index.write_text("# Title\n", "utf-8")
    subprocess.run(build, cwd=tmp_path, capture_output=True, check=True)
    index.write_text(f"# Title\n\n{link}\n", "utf-8")
    done = subprocess.run(build, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "nowhere" in done.stderr
