"""The figures of a study: one file per figure, which offers itself as FIGURE; ``style`` is how they look."""
