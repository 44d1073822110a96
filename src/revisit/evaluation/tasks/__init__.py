"""Downstream tasks, one file each: what is predicted, from which labels, how it is scored."""
