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
    (tmp_path / "an_own_part.py").write_text("class Layout:\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert parts.find("layout", "an_own_part:Layout").__name__ == "Layout"
    assert parts.module_of("layout", "an_own_part:Layout") == "an_own_part"
    del sys.modules["an_own_part"]
    with pytest.raises(RevisitError, match="'an_own_part:Missing' cannot be loaded"):
        parts.find("layout", "an_own_part:Missing")
    with pytest.raises(RevisitError, match="'nowhere:Layout' cannot be loaded"):
        parts.find("layout", "nowhere:Layout")


def test_an_unknown_name_is_told_what_there_is():
    with pytest.raises(RevisitError, match=r"no kind is called 'pair', there is .*did you mean 'pairs'"):
        parts.find("kind", "pair")
