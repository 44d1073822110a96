"""Dates moved onto each other."""
