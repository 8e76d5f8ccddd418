"""SiPM analysis: fits, the quasi-online chain, and scans."""
