"""The list of broken rules is in step with the code, so that a run of mutants.py does not end on the way."""

from pathlib import Path

import yaml

TESTS = Path(__file__).parent
CODE = TESTS.parent / "src/revisit"


def test_every_mutant_still_has_its_line_and_its_tests() -> None:
    """Quick, unlike the mutants: the line stands once in its file, and the tests are there."""
    for mutant in yaml.safe_load((TESTS / "mutants.yaml").read_text(encoding="utf-8")):
        file = CODE / mutant["file"]
        assert file.is_file() and file.read_text(encoding="utf-8").count(mutant["old"]) == 1, mutant
        paths = [name.split("::")[0] for name in mutant["tests"].split()]
        assert all((TESTS / path).exists() for path in paths), mutant
