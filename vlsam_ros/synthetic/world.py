"""What a synthetic world consists of: plain frozen records, hashable, in metres and display RGB."""

from __future__ import annotations

from dataclasses import dataclass

FRAME_WH = (1600, 900)
"""Width and height in pixels of the virtual camera's full frame."""

Rgb = tuple[float, float, float]
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Camera:
    """Pinhole camera over the ground plane; pitch is given by the row of the horizon, roll turns about the centre."""

    focal_px: float
    height_m: float
    horizon_px: float
    roll_rad: float


@dataclass(frozen=True)
class Light:
    """Illumination; colours are display RGB in 0..1, ``sun_m`` the ground offset (right, forward) of a 1 m shadow."""

    time: str
    ambient: Rgb
    sky_top: Rgb
    sky_low: Rgb
    clouds: float
    sun_m: tuple[float, float]
    shadow: float
    headlights: float


@dataclass(frozen=True)
class Weather:
    """``visibility_m``: distance at which 63 % of the contrast is gone; rain and wetness in 0..1."""

    visibility_m: float
    haze: Rgb
    rain: float
    wet: float


@dataclass(frozen=True)
class Sensor:
    """Exposure and white-balance gains, blur and noise sigmas at full resolution, JPEG quality (0: none)."""

    exposure: float
    white_balance: Rgb
    blur_px: float
    noise: float
    vignette: float
    jpeg: int


@dataclass(frozen=True)
class Road:
    """Cross-section in metres to the right of the ego path; the centre line bends by ``curvature * z ** 2``."""

    left_m: float
    right_m: float
    dividers_m: tuple[float, ...]
    dash_m: tuple[float, float]
    edge_lines: bool
    yellow: bool
    curvature: float
    surface: str
    sides: tuple[str, str]
    rails: tuple[bool, bool]
    lane_m: float


@dataclass(frozen=True)
class Land:
    """Season, backdrop layers as (texture, shift, scale, distance_m) from far to near, and tree shade in 0..1."""

    season: str
    backdrop: tuple[tuple[str, float, float, float], ...]
    shade: float


@dataclass(frozen=True)
class Placed:
    """Something on the ground: ``x_m`` right of the ego path, ``z_m`` forward; its look is a function of the seed.

    ``style`` is one of ``sprites.STYLES``; with ``finished`` the look has one of the finishes, too.
    """

    name: str
    x_m: float
    z_m: float
    height_m: float
    seed: int
    style: str = "painted"
    finished: bool = False


@dataclass(frozen=True)
class Setting:
    """Families of ground and sky, of ``backgrounds.GROUNDS`` and ``backgrounds.SKIES``; the rest follows the seed."""

    ground: str
    sky: str
    seed: int


@dataclass(frozen=True)
class World:
    """A whole scene; ``placed`` are labelled, ``scenery`` (upright) and ``flats`` (on the ground) are not.

    Without a ``setting`` ground and sky are those of the first world.
    """

    seed: int
    camera: Camera
    light: Light
    weather: Weather
    sensor: Sensor
    road: Road
    land: Land
    placed: tuple[Placed, ...]
    scenery: tuple[Placed, ...]
    flats: tuple[Placed, ...]
    setting: Setting | None = None
