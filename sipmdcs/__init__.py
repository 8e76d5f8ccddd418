"""What all parts of the detector control system share, and nothing that belongs to one of them."""

from importlib.metadata import version

__version__ = version("sipmdcs")
