"""The embedded archive: a simulated piece of Earth behind a real STAC API."""
