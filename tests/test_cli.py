"""Protects the command line: whoever reads only the beginning of an answer ends it without a trace."""

import subprocess
import sys


def test_a_reader_that_leaves_is_no_fault() -> None:
    command = [sys.executable, "-m", "revisit.cli", "methods"]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert run.stdout and run.stderr
    run.stdout.close()  # before a line is there
    assert run.stderr.read() == "" and run.wait() == 1
