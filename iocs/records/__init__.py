"""The record engine: what EPICS Base does to a record, without a network."""
