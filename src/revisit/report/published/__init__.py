"""Published numbers, one CSV per source, and how to find the one beside a number of ours."""
