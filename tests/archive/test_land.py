"""The ground truth: classes, growth of towns, and that a year does not depend on which are asked for."""

from itertools import pairwise

import numpy as np
import pytest

from revisit.archive.biomes import BIOMES, BUILT_YEARS, FIRST_YEAR, LAST_YEAR
from revisit.archive.kinds import BUILT, CLASSES, CROP, GRASS
from revisit.archive.land import Land

SHAPE = (252, 252)


@pytest.fixture(scope="module")
def lands() -> dict[str, Land]:
    return {name: Land(SHAPE, biome, 1, name) for name, biome in BIOMES.items()}


def test_every_class_occurs_in_decent_proportion(lands: dict[str, Land]) -> None:
    """No class may be so rare that its metric is noise, none may cover nearly everything."""
    covers = {name: land.cover(2020) for name, land in lands.items()}
    everywhere = np.stack(list(covers.values()))
    for code in CLASSES:
        assert np.mean(everywhere == code) > 0.02, CLASSES[code]
    for name, cover in covers.items():
        assert set(np.unique(cover)) <= set(CLASSES)
        assert max(np.mean(cover == code) for code in CLASSES) < 0.6, name


@pytest.mark.parametrize("name", BIOMES)
def test_towns_grow_and_never_shrink(lands: dict[str, Land], name: str) -> None:
    """Change has a ground truth: what is built stays built, and there is more of it in the end."""
    built = [lands[name].cover(year) == BUILT for year in range(FIRST_YEAR, LAST_YEAR + 1)]
    for before, after in pairwise(built):
        assert not np.any(before & ~after)
    assert built[-1].sum() > 1.2 * built[0].sum()
    assert built[-1].sum() > built[BUILT_YEARS[1] - FIRST_YEAR].sum()


def test_crops_rotate_and_some_parcels_turn_to_grass(lands: dict[str, Land]) -> None:
    """Most change between years is of crops within a class; a small part is of class."""
    land = lands["temperate"]
    changed_kind = np.mean(land.kinds(2019) != land.kinds(2020))
    changed_class = np.mean(land.cover(2019) != land.cover(2020))
    assert changed_kind > 0.2
    assert 0.002 < changed_class < 0.06
    for first, last in ((2015, 2022), (2022, LAST_YEAR)):
        turned = (land.cover(first) == CROP) & (land.cover(last) == GRASS)
        assert np.mean(turned) > 0.005


def test_a_year_is_the_same_whatever_was_asked_before() -> None:
    """Hidden state would make an archive of one year differ from the same year of a longer archive."""
    one, other = Land((120, 120), BIOMES["boreal"], 3, "x"), Land((120, 120), BIOMES["boreal"], 3, "x")
    one.kinds(2015)
    np.testing.assert_array_equal(one.kinds(2021), other.kinds(2021))
    assert np.any(one.kinds(2021) != Land((120, 120), BIOMES["boreal"], 4, "x").kinds(2021))
