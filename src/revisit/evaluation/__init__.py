"""Downstream tasks: fine-tune, linear probe, segmentation, metrics, statistics."""
