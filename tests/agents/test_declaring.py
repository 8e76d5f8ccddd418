"""What plugins declare is asked once for each text, however many there are."""

from agents.agentsfile import AgentsFile
from agents.declaration import Declaration
from agents.declaring import declare
from agents.discovery import Found, find_plugins
from agents.problem import Problem
from sipmdcs.site import Site

SITE = """\
name: Bench
prefix: T
services: [agents]
controllers:
  PS1: {driver: c11204, id: "1", subsystem: B, port: sim}
iocs:
  bench: {controllers: [PS1]}
"""
SAYING = """\
from pathlib import Path
with Path(__file__).with_suffix(".asked").open("a") as file: file.write("x")
from agents import Agent, Output
agent = Agent(interval=1, outputs=[Output("V")])
def work(inputs): return {"V": 1}
"""


def test_a_plugin_is_loaded_once_however_often_one_looks(tmp_path):
    (tmp_path / "site.yaml").write_text(SITE)
    (tmp_path / "agents").mkdir()
    site = Site(tmp_path)
    paths = [tmp_path / "agents" / f"p{n}.py" for n in range(8)]
    for path in paths:
        path.write_text(SAYING)
    for edited in (None, None, paths[3]):
        if edited is not None:
            edited.write_text(SAYING + "# edited")
        plugins = [found for found in find_plugins(site).values() if found.path in paths]
        declared = declare(site, plugins, AgentsFile())
        assert all(isinstance(one, Declaration) for one in declared.values()), declared
    asked = {path.stem: len(path.with_suffix(".asked").read_text()) for path in paths}
    assert asked == {path.stem: 1 for path in paths} | {"p3": 2}


def test_answers_of_all_plugins_are_kept(tmp_path, monkeypatch):
    asked = []

    def answer(path, request):
        asked.append(path)
        return Problem("no declaration", path) if b"bad" in request else Declaration.__new__(Declaration)

    monkeypatch.setattr("agents.declaring._declared", answer)
    (tmp_path / "site.yaml").write_text(SITE)
    site = Site(tmp_path)
    plugins = [Found(f"p{n}", tmp_path / "agents" / f"p{n}.py", f"# {n}") for n in range(3000)]
    for _ in range(3):
        declare(site, plugins, AgentsFile())
    assert len(asked) == len(plugins)
    edited = Found("p7", plugins[7].path, "# edited")
    declare(site, [*plugins[:7], edited, *plugins[8:]], AgentsFile())
    assert len(asked) == len(plugins) + 1
