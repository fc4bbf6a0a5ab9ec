"""Pure functions of images: from a micrograph as stored to the image a picker works on."""
