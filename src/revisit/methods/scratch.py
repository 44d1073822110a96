"""Scratch: no pretraining, an encoder with its first random weights; what pretraining is held against."""

from revisit.methods.base import Method

SOURCE = "the usual reference: the same network with random weights"
CHOICES = "the encoder is a setting, to be that of the method it is compared with"


class Scratch(Method):
    """Settings: ``encoder`` (any architecture). Takes no step, so it has neither views nor a loss."""

    trains = False


METHODS = {"scratch": Scratch}
