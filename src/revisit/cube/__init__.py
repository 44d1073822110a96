"""From scenes to analysis-ready cubes: grid, stack, coregister, scale, labels, tile."""
