"""Clips of scenes to a cube in physical units."""
