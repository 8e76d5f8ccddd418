"""Run table and downtime: what was taken when, with which settings, and why not."""
