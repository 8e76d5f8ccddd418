"""Plugins that cannot be used: one message each, with file and line."""

import pytest

from agents.loading import load_plugin
from agents.plugin import RESERVED, Context
from agents.problem import Problem
from agents.reading import Reading, Readings
from agents.running import run_plugin
from sipmdcs.epicsdb import load_template
from sipmdcs.site import packaged_templates

HEAD = "from agents import Agent, Cached, Output\n"
WORK = "def work(inputs):\n    return {}\n"


def load(text, parameters=None):
    return load_plugin(HEAD + text, "/x/agents/p.py", Context("T", ("BENCH",), parameters or {}))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def work(inputs):\n  return {\n", "p.py:3: SyntaxError: '{' was never closed"),
        ("import nothing_of_this_name\n", "p.py:2: ModuleNotFoundError: No module named 'nothing_of_this_name'"),
        ("raise SystemExit(0)\n", "p.py:2: SystemExit: 0"),
        (WORK, "p.py:1: has no agent = Agent(interval=…)"),
        ("agent = 5\n" + WORK, "p.py:2: has no agent = Agent(interval=…)"),
        ("agent = Agent()\n" + WORK, "p.py:2: TypeError: Agent.__init__() missing 1 required positional argument: 'interval'"),
        ("agent = Agent(interval=1)\n", "p.py:2: has no function work(inputs)"),
        ("agent = Agent(interval=1)\nwork = 5\n", "p.py:2: has no function work(inputs)"),
        ("agent = Agent(interval=1)\ndef work():\n  pass\n", "p.py:3: work must take one argument, the inputs: too many"),
        (
            "agent = Agent(interval=1)\nasync def work(inputs):\n  pass\n",
            "p.py:3: work is a coroutine, expected a plain function",
        ),
        ("agent = Agent(interval=0)\n" + WORK, "p.py:2: interval 0, expected 0.1 to 86400 s"),
        ("agent = Agent(interval='5')\n" + WORK, "p.py:2: interval '5', expected 0.1 to 86400 s"),
        ("agent = Agent(interval=float('nan'))\n" + WORK, "p.py:2: interval nan, expected 0.1 to 86400 s"),
        ("agent = Agent(interval=True)\n" + WORK, "p.py:2: interval True, expected 0.1 to 86400 s"),
        (
            "agent = Agent(interval=2, offset=2)\n" + WORK,
            "p.py:2: offset 2, expected 0 s or more and less than the interval, 2 s",
        ),
        ("agent = Agent(interval=2, timeout=0)\n" + WORK, "p.py:2: timeout 0, expected more than 0 s"),
        ("agent = Agent(interval=2, require='some')\n" + WORK, "p.py:2: require 'some', expected any, all or none"),
        ("agent = Agent(interval=1, inputs={'a': []})\n" + WORK, "p.py:2: inputs 'a': [], expected names or patterns of PVs"),
        ("agent = Agent(interval=1, inputs='PV')\n" + WORK, "p.py:2: inputs 'PV', expected groups by name"),
        ("agent = Agent(interval=1, outputs=[Output('mean')])\n" + WORK, "p.py:2: output name 'mean': expected upper case"),
        ("agent = Agent(interval=1, outputs=[Output('A'), Output('A')])\n" + WORK, "p.py:2: output A is declared twice"),
        (
            "agent = Agent(interval=1, outputs=[Output('STATE')])\n" + WORK,
            "p.py:2: output STATE: every agent has a PV of that name",
        ),
        ("agent = Agent(interval=1, outputs=['A'])\n" + WORK, "p.py:2: outputs: 'A', expected Output(…)"),
        (
            "agent = Agent(interval=1, outputs=[Output('A', kind='real')])\n" + WORK,
            "p.py:2: output A: kind 'real', expected float",
        ),
        (
            "agent = Agent(interval=1, outputs=[Output('A', low=2, high=1)])\n" + WORK,
            "p.py:2: output A: expected lolo <= low <=",
        ),
        (
            "agent = Agent(interval=1, outputs=[Output('A', unit='x' * 16)])\n" + WORK,
            "p.py:2: output A: unit 'xxxxxxxxxxxxxxxx' has",
        ),
        (
            "agent = Agent(interval=1,\n outputs=lambda c: [Output('a')])\n" + WORK,
            "p.py:3: output name 'a': expected upper case",
        ),
        ("agent = Agent(interval=1, inputs=lambda c: 5)\n" + WORK, "p.py:2: inputs 5, expected groups by name"),
    ],
)
def test_what_is_no_plugin(text, message):
    with pytest.raises(Problem) as caught:
        load(text)
    assert caught.value.short.startswith(message)
    assert str(caught.value).startswith("/x/agents/p.py:")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return 5", "p.py:4: work returned int, expected values by name of the output"),
        ("return {'B': 1}", "p.py:4: work returned 'B', which is none of the outputs"),
        ("return {'A': 'high'}", "p.py:4: output A: 'high' is no number"),
        ("return {'N': 1.5}", "p.py:4: output N: 1.5 is no whole number of 32 bits"),
        ("return {'N': 1 << 40}", "p.py:4: output N: 1099511627776 is no whole number of 32 bits"),
        ("x = 1\n    return {'A': 1 / 0}", "p.py:6: ZeroDivisionError: division by zero"),
        ("raise KeyboardInterrupt", "p.py:5: KeyboardInterrupt"),
        ("raise SystemExit(1)", "p.py:5: SystemExit: 1"),
        ("return inputs['nothing']", "p.py:5: KeyError: 'nothing'"),
        ("raise ValueError('first line\\nsecond')", "p.py:5: first line second"),
    ],
)
def test_a_run_that_fails(body, message):
    plugin = load(
        f"agent = Agent(interval=1,\n outputs=[Output('A'), Output('N', kind='int')])\ndef work(inputs):\n    {body}\n"
    )
    with pytest.raises(Problem) as caught:
        run_plugin(plugin, {}, 0.0)
    assert caught.value.short.startswith(message)


def test_what_a_run_gives():
    outputs = "[Output('A'), Output('N', kind='int'), Output('T', kind='text'), Output('U')]"
    plugin = load(
        f"agent = Agent(interval=1, outputs={outputs})\ndef work(inputs):\n    return dict(A=float('nan'), N=True, T=5)\n"
    )
    assert run_plugin(plugin, {}, 0.0) == {"A": None, "N": 1, "T": "5", "U": None}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"limit": "high"}, "parameter limit: found 'high', expected a number"),
        ({"limit": True}, "parameter limit: found True, expected a number"),
        ({"limti": 1}, "parameter limti is unknown; the plugin has limit, names"),
        ({"names": "A"}, "parameter names: found 'A', expected a list"),
    ],
)
def test_parameters_that_do_not_fit(given, message):
    with pytest.raises(Problem, match=message) as caught:
        load(f"agent = Agent(interval=1, parameters={{'limit': 0.5, 'names': []}})\n{WORK}", given)
    assert caught.value.parameter == next(iter(given))


def test_parameters_and_the_site_reach_declaration_and_work():
    text = (
        "agent = Agent(interval=1, parameters={'limit': 0.5}, inputs=lambda c: {'a': f'{c.prefix}:X'},\n"
        "              outputs=lambda c: [Output(name, high=c.parameters['limit']) for name in c.subsystems])\n"
        "def work(inputs):\n    return {'BENCH': inputs.parameters['limit']}\n"
    )
    plugin = load(text, {"limit": 2})
    assert plugin.declaration.outputs[0].high == 2.0
    assert plugin.declaration.inputs["a"].names == ("T:X",)
    assert run_plugin(plugin, {}, 0.0) == {"BENCH": 2.0}


def test_readings():
    good, bad = Reading(1.5, 0, "NO_ALARM", 1.0, 0.1), Reading(2.5, 3, "COMM", 1.0, 5.0)
    readings = Readings({"A": good, "B": bad, "C": Reading(), "D": Reading("text", 0), "E": Reading(float("nan"), 1)})
    assert readings.numbers == {"A": 1.5}
    assert readings.invalid == ["B", "C"]
    assert (bad.value, bad.raw) == (None, 2.5)
    with pytest.raises(ValueError, match="expected one PV, found 5"):
        _ = readings.only
    assert Readings({"A": good}).only is good


def test_names_of_the_template_are_reserved():
    macros = {"P": "P", "NAME": "N", "AGE_HIGH": "1", "AGE_HIHI": "2"}
    made = {record.name.partition(":")[2] for record in load_template(packaged_templates() / "agent.template", macros)}
    assert made == RESERVED


def test_a_model_plugin_has_fewer_than_thirty_lines(tmp_path, make_bench):
    bench = make_bench()
    bench.run("agents", "new", "mean")
    assert len((bench.folder / "agents" / "mean.py").read_text().splitlines()) < 30
