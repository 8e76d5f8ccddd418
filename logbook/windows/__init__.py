"""Qt windows of the logbook; everything else works without Qt."""
