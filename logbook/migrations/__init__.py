"""Migrations of the tables of the logbook."""
