"""HTTP of every service: one edge for those who answer, one client for those who ask.

A service builds its ``edge.Edge`` and its application, and calls ``server.serve`` with both. ``body`` reads bodies,
``errors`` writes errors; a service has no limits, body readers or error replies of its own. A client imports ``client``
alone, which loads nothing of a server.
"""
