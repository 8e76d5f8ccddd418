"""Read-only aggregation API and page over all of sipmdcs."""
