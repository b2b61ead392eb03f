"""The models that ship with the package: a tiny LLaVA-style VLM and a tiny SAM.

Both were trained from scratch on the synthetic road scenes of `vlsam_ros.synthetic` (see `training/`). They run the
true pipeline anywhere, for the demo and the tests, and know nothing but that synthetic world.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ModelLoadError

if TYPE_CHECKING:
    from segment_anything.modeling import Sam

WEIGHTS = Path(__file__).parent / "weights"

VLMS = {"embedded": "vlm", "embedded-plain": "vlm_plain", "embedded-boxes": "vlm_boxes"}
"""What `vlm.model` calls the embedded VLMs -> folder. The plain one never learnt where to look, as no real VLM did; the
last one writes boxes, too, and shares the first one's trunk."""

QUESTIONS = (
    "List every object on or near the road.",
    "What hazards are ahead?",
    "Name all objects in the picture.",
    "What is on the road?",
)
"""What the embedded VLMs answer with a list of names."""

BOXES, BOX_OF = "detect every object", "detect {name}"
"""What `embedded-boxes` answers with boxes as PaliGemma writes them: `<locYYYY><locXXXX><locYYYY><locXXXX> name ; …`,
the top left corner first, in 1024ths of the view; or `none`."""

BOX_FORMS = {"embedded-boxes": "paligemma"}
"""The form of that, for `vlm.boxes: auto`."""


def vlm_path(model: str = "embedded") -> Path:
    """Folder of an embedded VLM, for transformers' Auto classes; registers its vision tower with them."""
    from . import tower  # noqa: F401

    return WEIGHTS / VLMS[model]


def load_sam() -> Sam:
    """The embedded SAM in float32, evaluation mode, on the CPU.

    Raises:
        ModelLoadError: the weight file is missing or does not fit the architecture.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from .sam import build_sam

    path = WEIGHTS / "sam.safetensors"
    sam = build_sam()
    try:
        sam.load_state_dict({name: tensor.float() for name, tensor in load_file(path).items()})
    except (OSError, SafetensorError, RuntimeError) as error:
        raise ModelLoadError(f"embedded SAM: can't load {path} ({error}); reinstall the package") from error
    return sam.eval()
