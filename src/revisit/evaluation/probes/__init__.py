"""Probes, one file each: simple models on frozen features. They do without torch, so they start quickly."""
