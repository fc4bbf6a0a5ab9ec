"""2D class averages: particles sorted by what they look like, and the classes judged; junk averages to nothing."""
