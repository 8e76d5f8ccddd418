"""IV scans of any set of channels: a bluesky plan on ophyd-async devices, and the service that runs it for everybody."""
