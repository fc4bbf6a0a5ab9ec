"""The native engine: maximum-likelihood 2D averaging on Fourier rings."""

from cryoglean.classes2d.native.engine import classify

__all__ = ["classify"]
