"""Micrographs with known truth."""
