"""The `revisit` command: forecast a study, repeat a job, look at products, export, map, serve items."""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from revisit import __version__

COMMANDS = {
    "run": ("revisit.stage", "run the job of a file, as the workflow does"),
    "plan": ("revisit.plan.forecast.command", "say what a study will take before it runs"),
    "inspect": ("revisit.inspect", "say what a cube, patch store or encoder is, and draw it"),
    "export": ("revisit.export.command", "write an encoder in the form of timm, torchgeo, ONNX or a hub"),
    "predict": ("revisit.prediction.command", "map a region, a cube or an image by a trained model"),
    "compare": ("revisit.compare_command", "say how much better one method is than another"),
    "trace": ("revisit.trace_command", "follow a number, encoder or cube back to its STAC items"),
    "leak-check": ("revisit.leaks_command", "say whether encoders were pretrained on test places"),
    "methods": ("revisit.methods.listing", "list the pretraining methods with their sources"),
    "serve": ("revisit.stac.api.server", "serve folders of STAC items as a STAC API on this machine"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Hand the arguments after the command to its module's ``main``, which says what they are by --help."""
    parser = argparse.ArgumentParser(
        prog="revisit",
        description="From a STAC search to a table of evaluated models. The line itself is run by snakemake.",
        epilog="commands:\n" + "\n".join(f"  {name:11}{text}" for name, (_, text) in COMMANDS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"revisit {__version__}")
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("arguments", nargs=argparse.REMAINDER)
    chosen = parser.parse_args(argv)
    module = import_module(COMMANDS[chosen.command][0])
    sys.argv[0] = f"revisit {chosen.command}"
    try:
        code: int = module.main(chosen.arguments)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read it, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for Python's own last flush
        return 1
    return code


if __name__ == "__main__":
    raise SystemExit(main())
