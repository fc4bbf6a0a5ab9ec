"""RELION as an engine of 2D classes, run as a process of its own."""
