"""The local STAC API: folders of items served over HTTP."""
