"""Protocols, one file each: what of a network learns from the labels of a task, and how."""
