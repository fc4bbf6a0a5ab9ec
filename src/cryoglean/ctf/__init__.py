"""The contrast transfer function: taken from tables, estimated from power spectra, evaluated on Fourier grids."""

from cryoglean.ctf.estimate import Estimate, estimate_ctf
from cryoglean.ctf.model import Ctf, Microscope, ctf_2d, ctf_of, ctf_phase
from cryoglean.ctf.subset import paper_subset, passing

__all__ = [
    "Ctf",
    "Estimate",
    "Microscope",
    "ctf_2d",
    "ctf_of",
    "ctf_phase",
    "estimate_ctf",
    "paper_subset",
    "passing",
]
