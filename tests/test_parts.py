"""Protects parts by name: a file is a part, a dotted path reaches outside, an unknown name is told so."""

import sys

import pytest

from revisit import parts
from revisit.errors import RevisitError


@pytest.mark.parametrize("sort", parts.ROOMS)
def test_every_part_can_be_found_by_the_name_of_its_file(sort):
    names = parts.names(sort)
    assert names
    for name in names:
        assert parts.find(sort, name) is not None
        assert parts.module_of(sort, name) == f"{parts.ROOMS[sort].package}.{name.replace('-', '_')}"


def test_a_part_outside_the_package_is_named_by_its_dotted_path(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text("class Layout:\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert parts.find("layout", "mine:Layout").__name__ == "Layout"
    assert parts.module_of("layout", "mine:Layout") == "mine"
    del sys.modules["mine"]
    with pytest.raises(RevisitError, match="'mine:Missing' cannot be loaded"):
        parts.find("layout", "mine:Missing")
    with pytest.raises(RevisitError, match="'nowhere:Layout' cannot be loaded"):
        parts.find("layout", "nowhere:Layout")


def test_an_unknown_name_is_told_what_there_is():
    with pytest.raises(RevisitError, match=r"no kind is called 'pair', there is .*did you mean 'pairs'"):
        parts.find("kind", "pair")
