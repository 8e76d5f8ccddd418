"""Migrations of the tables of the analysis."""
