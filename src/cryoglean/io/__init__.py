"""File formats and nothing else: the only place where axes flip and pixels convert."""
