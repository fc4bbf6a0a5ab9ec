"""Kpicker: a small network trained on selected classes (McSweeney et al., IUCrJ 7, 719, 2020)."""
