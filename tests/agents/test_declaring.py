"""What plugins declare is asked once for each text, however many there are."""

from agents.agentsfile import AgentsFile
from agents.declaration import Declaration
from agents.declaring import declare
from agents.discovery import Found
from agents.problem import Problem
from sipmdcs.site import Site


def test_answers_of_all_plugins_are_kept(tmp_path, monkeypatch):
    asked = []

    def answer(path, request):
        asked.append(path)
        return Problem("no declaration", path) if b"bad" in request else Declaration.__new__(Declaration)

    monkeypatch.setattr("agents.declaring._declared", answer)
    (tmp_path / "site.yaml").write_text(
        "name: Bench\nprefix: T\nservices: [agents]\ncontrollers:\n  PS1: {driver: c11204, id: '1', subsystem: B, port: sim}\n"
        "iocs:\n  bench: {controllers: [PS1]}\n"
    )
    site = Site(tmp_path)
    plugins = [Found(f"p{n}", tmp_path / "agents" / f"p{n}.py", f"# {n}") for n in range(3000)]
    for _ in range(3):
        declare(site, plugins, AgentsFile())
    assert len(asked) == len(plugins)
    edited = Found("p7", plugins[7].path, "# edited")
    declare(site, [*plugins[:7], edited, *plugins[8:]], AgentsFile())
    assert len(asked) == len(plugins) + 1
