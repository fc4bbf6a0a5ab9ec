from cryoglean.classes2d.in_python import classify
from cryoglean.micrograph import Micrograph, MicrographFile
from cryoglean.picks import Picks

__version__: str

__all__ = ["Micrograph", "MicrographFile", "Picks", "__version__", "classify"]
