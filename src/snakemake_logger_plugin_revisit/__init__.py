"""Lets revisit look at Snakemake's arguments before Snakemake does.

Snakemake loads its plugins before it reads config files, and nothing else of ours that early. As a logger
this one adds nothing; it is there for what its loading does, in folders whose Snakefile is revisit's.
"""

import sys
from logging import LogRecord
from pathlib import Path

from snakemake_interface_logger_plugins.base import LogHandlerBase

from revisit.plan.arguments import check_arguments


class LogHandler(LogHandlerBase):
    """A logger that says nothing."""

    writes_to_stream = False
    writes_to_file = False
    has_filter = True
    has_formatter = True
    needs_rulegraph = False

    def emit(self, record: LogRecord) -> None:
        """Say nothing."""


def _is_ours() -> bool:
    program, snakefile = Path(sys.argv[0]), Path("Snakefile")
    called = program.name == "snakemake" or program.parent.name == "snakemake"
    return called and snakefile.is_file() and "from revisit." in snakefile.read_text(encoding="utf-8")


if _is_ours():
    check_arguments(sys.argv[1:])
