"""Cryo-EMMAE: picking in the latent space of a masked autoencoder (Zamanos et al., Cell Rep. Methods, 2025)."""
