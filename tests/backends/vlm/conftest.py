"""What the tests of VLMs share: tiny checkpoints, each built once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A builder's name -> the folder that it filled, which nobody changes."""
    import tiny_cogvlm
    import tiny_models

    made: dict[str, Path] = {}
    builders = {**tiny_models.BUILDERS, **tiny_models.VARIANTS, "cogvlm": tiny_cogvlm.build}

    def get(name: str) -> Path:
        if name not in made:
            made[name] = builders[name](tmp_path_factory.mktemp(name))
        return made[name]

    return get
