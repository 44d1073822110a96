"""From scenes to analysis-ready cubes: grid, stacking, co-registration, scaling, labels, split."""
