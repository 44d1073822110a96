"""The tables that can be laid out of an experiment: one file a table, which offers itself as LAYOUT."""
