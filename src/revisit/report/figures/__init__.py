"""The figures of a run: one module a figure, each a stage that writes one PNG."""
