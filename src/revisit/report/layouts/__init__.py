"""The tables that can be laid out of an experiment: one file per table, which offers itself as LAYOUT."""
