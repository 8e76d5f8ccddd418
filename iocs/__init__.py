"""Soft IOCs: record engine, controller loop, drivers and simulators."""
