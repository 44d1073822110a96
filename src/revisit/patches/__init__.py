"""Collections of patches: cut from cubes, written per region, indexed, read by training and evaluation."""
