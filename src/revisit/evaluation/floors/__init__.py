"""Floors, one file each: rows that any method must beat. They do without torch, so they start quickly."""
