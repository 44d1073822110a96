"""The label maps that a catalogue can be asked for, as `search` names them."""

# The ready legend of each; None where it is the provider's own collection, whose legend `labels` gives.
MAPS: dict[str, str | None] = {
    "worldcover": "worldcover",
    "io-lulc": "io-lulc",
    "truth": "worldcover",
    "land-cover": None,
}
