"""Wall-to-wall maps by a trained network: images of any size, blended tiles, cloud-optimised GeoTIFFs."""
