"""Pickers, each in a package of its own behind one protocol."""
