"""Agents: small periodic tasks that derive values, each a plugin of one file, hosted by a soft IOC.

A plugin imports what is named here and nothing else of this package. That loads little more than parts of the standard library,
because every plugin runs in a process of its own.
"""

from agents.alone import run_alone
from agents.plugin import Agent, Cached, Context, Inputs, Output, Outputs
from agents.reading import Reading, Readings

__all__ = ["Agent", "Cached", "Context", "Inputs", "Output", "Outputs", "Reading", "Readings", "run_alone"]
