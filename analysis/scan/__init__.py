"""IV scans: bluesky plans on ophyd-async devices of our channels."""
