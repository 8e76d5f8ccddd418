"""Pure functions from raw data to breakdown voltage, gain, crosstalk and dark rate."""
