"""Versioned settings and topology in SQL, pushed into PVs."""
