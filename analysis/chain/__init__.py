"""Quasi-online chain: raw results in, queued in SQL, analysed by Dask workers, out as rows and PVs."""
