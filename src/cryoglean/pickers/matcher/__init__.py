"""Matcher: picking by class averages."""
