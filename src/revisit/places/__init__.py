"""Regions from files: areas cut into blocks, points with a size, places sampled around towns."""
