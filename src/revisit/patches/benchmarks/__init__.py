"""Importers of benchmark sets: how each lies on disk, and what its samples are."""
