"""Statistics of an encoder's latents: clusters, radial means about places, and the direction that tells particles."""
