"""Kinds of collection: which looks at a place make a sample."""
