"""Which intermediates of a study stay; the others go when no job needs them, and are remade if one does."""

from revisit.record import Record


class Keep(Record):
    """What stays when no job needs it any more. Manifests, Items, pictures and tables beside it always do."""

    scenes: bool = True
    """The clips that were downloaded."""
    raw: bool = True
    """Raw cubes: stacked, in physical units, not yet co-registered."""
    aligned: bool = True
    """Aligned cubes: co-registered, in physical units."""
