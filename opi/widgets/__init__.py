"""Widgets our screens share."""
