"""Limits from training pixels, and cubes scaled to 8 bit by them."""
