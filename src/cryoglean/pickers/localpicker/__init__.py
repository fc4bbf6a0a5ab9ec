"""Localpicker: shape-based picking (McSweeney et al., IUCrJ 7, 719, 2020)."""
