"""``revisit methods``: the pretraining methods, by name, with what each learns from."""

from argparse import ArgumentParser
from collections.abc import Sequence

from revisit import parts
from revisit.methods.method import Method


def samples_of(method: type[Method]) -> str:
    """What a method learns from, in words."""
    kinds = "any collection" if method.kinds is None else f"kind {' or '.join(sorted(method.kinds))}"
    sensors = f", with {' and '.join(sorted(method.sensors))}" if method.sensors else ""
    if method.baseline:
        return f"{kinds}, of which it takes no sample"
    return f"{'all times of a place' if method.needs_series else 'single images'}, {kinds}{sensors}"


def main(argv: Sequence[str] | None = None) -> int:
    """Print name, source, samples and choices of every method."""
    ArgumentParser(prog="revisit methods", description="The pretraining methods.").parse_args(argv)
    for name in parts.names("method"):
        method: type[Method] = parts.find("method", name)
        print(f"{name}\n  source:     {method.source}")
        print(f"  samples:    {samples_of(method)}\n  our choice: {method.choices}")
    return 0
