"""Pretraining methods, one file a method."""
