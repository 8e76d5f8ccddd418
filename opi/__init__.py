"""Operator screens in PyDM."""
