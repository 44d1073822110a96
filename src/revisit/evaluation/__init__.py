"""Evaluation of encoders: the stage, tasks, protocols, metrics, statistics, score files."""
