"""The contrast transfer function: taken from tables, estimated from power spectra, evaluated on Fourier grids."""
