"""The figures of a study: one file a figure, which offers itself as FIGURE; ``style`` is how they look."""
