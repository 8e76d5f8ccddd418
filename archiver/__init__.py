"""Capture, log, Parquet lake and retrieval of process variable history."""
