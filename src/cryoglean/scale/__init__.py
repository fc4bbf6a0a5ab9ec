"""Using the machine as it is: its processors, its libraries, and the engines that are installed on it."""

from cryoglean.scale.threads import available_cpus, limit_threads

__all__ = ["available_cpus", "limit_threads"]
