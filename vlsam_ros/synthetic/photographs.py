"""Photographs under free licences that well-known Python packages ship: backgrounds, negatives and measuring.

The packages are optional and are not imported; only their picture files are read.

========================================  ==============  =================================================
name                                      package         licence and author
========================================  ==============  =================================================
brick, gravel                             scikit-image    CC0, CC0Textures
grass                                     scikit-image    CC0, linolafett
camera                                    scikit-image    CC0, Lav Varshney
clock                                     scikit-image    public domain, Stefan van der Walt
cell                                      scikit-image    CC0, Paul Müller and others
retina                                    scikit-image    CC0, Mikael Häggström
hubble                                    scikit-image    public domain, NASA
coins                                     scikit-image    no known restrictions, Brooklyn Museum
tissue                                    scikit-image    no known restrictions, CMMI
chelsea                                   scikit-image    CC0, Stefan van der Walt
coffee                                    scikit-image    CC0, Rachel Michetti
astronaut                                 scikit-image    public domain, NASA
rocket                                    scikit-image    public domain, SpaceX
china                                     scikit-learn    CC BY 2.0, danielbuechele
flower                                    scikit-learn    CC BY 2.0, vultilion
hopper                                    matplotlib      public domain, US Navy (James S. Davis)
========================================  ==============  =================================================
"""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np

_SKIMAGE, _SKLEARN, _MATPLOTLIB = "skimage/data", "sklearn/datasets/images", "matplotlib/mpl-data/sample_data"
_FILES = {
    "brick": f"{_SKIMAGE}/brick.png",
    "gravel": f"{_SKIMAGE}/gravel.png",
    "grass": f"{_SKIMAGE}/grass.png",
    "camera": f"{_SKIMAGE}/camera.png",
    "clock": f"{_SKIMAGE}/clock_motion.png",
    "cell": f"{_SKIMAGE}/cell.png",
    "retina": f"{_SKIMAGE}/retina.jpg",
    "hubble": f"{_SKIMAGE}/hubble_deep_field.jpg",
    "coins": f"{_SKIMAGE}/coins.png",
    "tissue": f"{_SKIMAGE}/ihc.png",
    "chelsea": f"{_SKIMAGE}/chelsea.png",
    "coffee": f"{_SKIMAGE}/coffee.png",
    "astronaut": f"{_SKIMAGE}/astronaut.png",
    "rocket": f"{_SKIMAGE}/rocket.jpg",
    "china": f"{_SKLEARN}/china.jpg",
    "flower": f"{_SKLEARN}/flower.jpg",
    "hopper": f"{_MATPLOTLIB}/grace_hopper.jpg",
}
_DISTRIBUTION = {"skimage": "scikit-image", "sklearn": "scikit-learn", "matplotlib": "matplotlib"}

MEASURING: tuple[str, ...] = ("china", "flower", "chelsea", "coffee", "astronaut", "rocket", "hopper")
"""Photographs that training never sees."""

TRAINING: tuple[str, ...] = tuple(name for name in _FILES if name not in MEASURING)
"""Photographs for backgrounds and negatives in training."""


def _path(name: str) -> Path | None:
    """Where a photograph lies, or None without its package (or where the package lacks it)."""
    package, _, inside = _FILES[name].partition("/")
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    path = Path(spec.submodule_search_locations[0], inside)
    return path if path.is_file() else None


@lru_cache(maxsize=1)
def available() -> tuple[str, ...]:
    """Those of the training photographs whose package is installed."""
    return tuple(name for name in TRAINING if _path(name))


def load(name: str) -> np.ndarray:
    """A photograph as uint8 (H, W, 3) RGB; grey ones have three equal channels."""
    if name not in _FILES:
        raise ValueError(f"no photograph is named {name!r}; choose one of {', '.join(_FILES)}")
    if (path := _path(name)) is None:
        package = _DISTRIBUTION[_FILES[name].partition("/")[0]]
        raise FileNotFoundError(f"the photograph {name!r} comes with {package}: pip install {package}")
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise ValueError(f"expected a picture in {path}, but it cannot be decoded: install its package again")
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
