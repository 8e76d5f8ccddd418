"""EPICS database templates: the only place where a record is defined."""
