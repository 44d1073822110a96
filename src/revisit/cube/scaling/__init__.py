"""Limits from training pixels, and cubes scaled to 0 to 255 between them."""
