"""The study as typed records: one check before anything runs, one schema, one reference page."""
