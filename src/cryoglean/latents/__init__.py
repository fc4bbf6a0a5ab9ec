"""What the latents of an encoder tell: clusters, radial means about places, and what sets particles apart."""
