"""Downtime logger."""
