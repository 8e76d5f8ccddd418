"""The records of all agents: what each has, and its outputs."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from agents.plugin import Output
from agents.problem import Problem
from agents.roster import Member, Roster, muster_leniently
from sipmdcs.epicsdb import Record, load_template
from sipmdcs.errors import BadInput
from sipmdcs.site import Site

_TEMPLATES = {"float": "agent_output.template", "int": "agent_output_int.template", "text": "agent_output_text.template"}

_log = logging.getLogger(__name__)


def agent_records(site: Site) -> list[Record]:
    """Records of all agents of a site: entry point ``agents`` of the group ``sipmdcs.records``.

    Plugins run in processes of their own here; one that cannot be used has no outputs, and keeps nobody from starting.
    """
    return records_of(site, muster_leniently(site))


def records_of(site: Site, roster: Roster) -> list[Record]:
    """Records of a roster."""
    return [record for member in servable(site, roster).members.values() for record in member_records(site, member)]


def servable(site: Site, roster: Roster) -> Roster:
    """The same agents; one whose outputs cannot be records has a problem and no outputs, one without any PV is left out."""
    members: dict[str, Member] = {}
    for member in roster.members.values():
        problem = member.problem or output_problem(site, member)
        one = member if problem is None else replace(member, declaration=None, problem=problem)
        if (hopeless := output_problem(site, one)) is None:
            members[one.name] = one
        else:
            _log.error("agent %s cannot run: %s", one.name, hopeless)
    return Roster(roster.file, members)


def member_records(site: Site, member: Member) -> list[Record]:
    """Records of one agent.

    Raises:
        BadInput: a name is too long.
    """
    prefix = agent_prefix(site, member.name)
    macros = {
        "P": prefix,
        "NAME": member.found.pv,
        "DESC": _literal(member.declaration.description if member.declaration else "State of the agent", 40),
        "AGE_HIGH": f"{_age_limit_s(member):g}",
        "AGE_HIHI": f"{5 * _age_limit_s(member):g}",
    }
    out = load_template(site.find_template("agent.template"), macros)
    if member.declaration is not None:
        for output in member.declaration.outputs:
            template = site.find_template(_TEMPLATES[output.kind])
            out += _output_records(template, prefix, member, output)
    return out


def agent_prefix(site: Site, name: str) -> str:
    """``DET:AGENT:NAME``."""
    return f"{site.file.prefix}:AGENT:{name.upper()}"


def output_problem(site: Site, member: Member) -> Problem | None:
    """Why the records of an agent cannot be made, ``None`` if they can."""
    try:
        member_records(site, member)
    except BadInput as err:
        return Problem(err.message, str(member.found.path), 1)
    return None


def _output_records(template: Path, prefix: str, member: Member, output: Output) -> Iterator[Record]:
    limits = {"LOLO": output.lolo, "LOW": output.low, "HIGH": output.high, "HIHI": output.hihi}
    severities = {"LOLO": "LLSV", "LOW": "LSV", "HIGH": "HSV", "HIHI": "HHSV"}
    macros = {
        "P": f"{prefix}:{output.name}",
        "NAME": member.found.pv,
        "DESC": _literal(output.description, 40),
        "EGU": _literal(output.unit, 15),
        "PREC": str(output.precision),
        "PERIOD": f"{member.interval:g}",
        "DELAY": str(int(output.alarm_delay_s)),
        "GUIDANCE": output.guidance,
    }
    for name, limit in limits.items():
        if limit is not None:
            macros[name] = f"{limit:.15g}"
            macros[severities[name]] = "MAJOR" if name in ("LOLO", "HIHI") else "MINOR"
    for record in load_template(template, macros):
        if output.limits and output.alarm:
            yield record
        else:  # nothing to be alarmed about: the agent's own STATE alarms when it fails
            yield record._replace(info={key: value for key, value in record.info.items() if key != "alarm"})


def _age_limit_s(member: Member) -> float:
    """A site needs a while to start, and an agent with it."""
    return max(60.0, 4 * member.interval)


def _literal(text: str, length: int) -> str:
    """Text that means itself in a template and fits into a field."""
    return text.replace("$", "S").encode()[:length].decode(errors="ignore")
