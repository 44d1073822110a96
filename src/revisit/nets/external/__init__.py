"""Encoders of other projects: what they expect of images, their architectures and their files of weights."""
