"""Search and download: providers, their band names, scales and offsets."""
