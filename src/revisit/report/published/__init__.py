"""The numbers that the works report, one CSV a work, and how to find the one beside a number of ours."""
