"""Alarm tree, logic, paging and state."""
