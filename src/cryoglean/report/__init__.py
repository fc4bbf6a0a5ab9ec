"""Pictures by which people judge what was found."""
