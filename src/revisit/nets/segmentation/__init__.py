"""Segmentation networks by name, one a file."""
