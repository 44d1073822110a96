"""Scratch: no pretraining, an encoder with its first random weights; what pretraining is held against."""

from revisit.methods.method import Method


class Scratch(Method):
    """Takes no step, so it has neither views nor a loss."""

    source = "the usual reference: the same network with random weights"
    choices = "the encoder is a setting, to be that of the method it is compared with"
    baseline = True


METHOD = Scratch
