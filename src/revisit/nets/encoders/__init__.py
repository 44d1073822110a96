"""Encoders by name, one architecture a file."""
