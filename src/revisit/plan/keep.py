"""Which intermediates of a study stay; the others go when no job needs them, and are remade if one does."""

from typing import Literal

from revisit.record import Record


class Keep(Record):
    """What stays when no job needs it any more. Manifests, Items, pictures and tables beside it always do."""

    scenes: bool = True
    """The clips that were downloaded."""
    raw: bool = True
    """Raw cubes: stacked, in physical units, not yet co-registered."""
    aligned: bool = True
    """Aligned cubes: co-registered, in physical units."""
    models: Literal["all", "best", "none"] = "all"
    """Networks that evaluations trained: `all`; of each row its `best` seed by validation, with most labels,
    where a seed added later trains that row's others again; or `none`, and so no maps of regions."""
