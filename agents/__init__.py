"""Periodic agents and the hot cache."""
