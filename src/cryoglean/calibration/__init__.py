"""Calibration of pickers: what their responses would be without particles, and what that says of their peaks."""
