"""Encoders and segmentation networks: their contracts, their building blocks, their weights on disk."""
