"""The other end of each wire, byte for byte, with a SiPM behind it."""
