"""Which files a study is made of, and what each job gets: all that Snakemake must know, and nothing heavy."""
