"""Agents that come with the program, each a file that runs by itself."""
