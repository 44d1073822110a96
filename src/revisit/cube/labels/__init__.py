"""Land cover on the grid of a region's cubes."""
