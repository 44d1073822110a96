"""What a study will take before it runs: jobs, download, disk, memory, hours (`revisit plan`)."""
