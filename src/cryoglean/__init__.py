"""Cryoglean: find particles in cryo-EM micrographs without labels."""

from cryoglean.micrograph import Micrograph, MicrographFile
from cryoglean.picks import Picks

__version__ = "0.1.0"

__all__ = ["Micrograph", "MicrographFile", "Picks", "__version__"]
