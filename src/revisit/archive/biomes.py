"""Biomes: which kinds of surface a region has, in which shares, with which seasons and skies."""

from dataclasses import dataclass, field

FIRST_YEAR, LAST_YEAR = 2015, 2025  # of the simulated Earth
BUILT_YEARS = 2015, 2022  # of the two shares of `Biome.built`; towns grow evenly between them and beyond


@dataclass(frozen=True)
class Biome:
    """Shares are of the land, except water's, which is of everything; the rest becomes parcels."""

    coast: float = 0.0  # share of the sea
    lakes: float = 0.0
    river: bool = True
    built: tuple[float, float] = (0.08, 0.13)  # in BUILT_YEARS
    forest: float = 0.18
    shrub: float = 0.03
    bare: float = 0.02
    wetland: float = 0.025
    grass_parcels: float = 0.35  # share of the parcels that are grass for good
    forest_kinds: dict[str, float] = field(default_factory=dict)
    shrub_kinds: dict[str, float] = field(default_factory=dict)
    bare_kinds: dict[str, float] = field(default_factory=dict)
    wetland_kinds: dict[str, float] = field(default_factory=dict)
    grass_kinds: dict[str, float] = field(default_factory=dict)
    planted_kinds: dict[str, float] = field(default_factory=dict)  # vineyards, orchards: parcels
    planted_parcels: float = 0.0
    rotation: tuple[str, ...] = ()
    red_roofs: float = 0.5  # the others are grey
    parcel_pixels: tuple[float, float] = (14, 28)  # narrow side
    clear_cuts: float = 0.0  # share of the forest felled each year
    season_shift: int = 0  # days the calendar comes later than the table's
    relief: float = 0.4  # strength of slopes
    cloudiness: float = 0.38  # mean cloud cover
    winter: float = 2.0  # mean temperature of the coldest month, degrees Celsius
    rain: float = 0.4  # share of days with rain
    soil_brightness: float = 1.0


BIOMES = {
    "temperate": Biome(
        forest_kinds={"broadleaf forest": 0.7, "conifer forest": 0.3},
        shrub_kinds={"heath": 0.4, "young trees": 0.6},
        bare_kinds={"quarry": 1.0},
        wetland_kinds={"reeds": 1.0},
        grass_kinds={"pasture": 0.5, "meadow": 0.5},
        planted_kinds={"orchard": 1.0},
        planted_parcels=0.03,
        rotation=(
            "winter cereal",
            "rapeseed",
            "winter cereal",
            "maize",
            "root crop",
            "spring barley",
            "maize",
        ),
        red_roofs=0.55,
    ),
    "coast": Biome(
        coast=0.26,
        forest=0.08,
        shrub=0.08,
        bare=0.06,
        wetland=0.11,
        built=(0.1, 0.16),
        grass_parcels=0.4,
        forest_kinds={"broadleaf forest": 0.5, "conifer forest": 0.5},
        shrub_kinds={"heath": 1.0},
        bare_kinds={"beach": 1.0},
        wetland_kinds={"salt marsh": 0.6, "reeds": 0.4},
        grass_kinds={"pasture": 0.7, "meadow": 0.3},
        rotation=("winter cereal", "root crop", "winter cereal", "maize", "spring barley", "root crop"),
        red_roofs=0.5,
        relief=0.15,
        cloudiness=0.38,
        winter=5.0,
    ),
    "mediterranean": Biome(
        lakes=0.02,
        built=(0.06, 0.11),
        forest=0.17,
        shrub=0.16,
        bare=0.11,
        wetland=0.012,
        grass_parcels=0.2,
        forest_kinds={"open woodland": 0.65, "conifer forest": 0.35},
        shrub_kinds={"maquis": 1.0},
        bare_kinds={"stony ground": 0.75, "quarry": 0.25},
        wetland_kinds={"reeds": 1.0},
        grass_kinds={"dry grassland": 1.0},
        planted_kinds={"vineyard": 0.55, "orchard": 0.45},
        planted_parcels=0.22,
        rotation=("winter cereal", "sunflower", "winter cereal", "fallow", "maize"),
        red_roofs=0.8,
        parcel_pixels=(10, 20),
        season_shift=-22,
        relief=1.0,
        cloudiness=0.25,
        winter=8.0,
        rain=0.2,
        soil_brightness=1.2,
    ),
    "boreal": Biome(
        lakes=0.11,
        river=False,
        built=(0.03, 0.06),
        forest=0.52,
        shrub=0.06,
        bare=0.02,
        wetland=0.13,
        grass_parcels=0.45,
        forest_kinds={"conifer forest": 0.75, "broadleaf forest": 0.25},
        shrub_kinds={"young trees": 0.6, "heath": 0.4},
        bare_kinds={"stony ground": 0.5, "quarry": 0.5},
        wetland_kinds={"bog": 0.75, "reeds": 0.25},
        grass_kinds={"meadow": 0.7, "pasture": 0.3},
        rotation=("spring barley", "spring barley", "winter cereal", "fallow"),
        red_roofs=0.35,
        parcel_pixels=(11, 22),
        clear_cuts=0.012,
        season_shift=20,
        relief=0.5,
        cloudiness=0.38,
        winter=-3.0,
        soil_brightness=0.85,
    ),
}
