"""Boxes round particles: cut, scaled, normalised, re-centred, and their tables."""
