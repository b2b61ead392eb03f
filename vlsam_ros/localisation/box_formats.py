"""What the numbers mean that a family of VLMs writes for boxes and points, and how it wants to be asked for them.

The rows follow what the families' own cookbooks and model cards show.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import ConfigError
from .box_entry import SYNTAXES, Entry

_QWEN = ("bbox_2d", "json", "box_start", "pair", "list", "named", "point")
_IN_ORDER = frozenset(("bbox_2d", "box_2d", "json", "list", "pair", "loc"))
"""Syntaxes whose numbers have no names, so that their order is a family's custom."""

_EVERY = "every object on or near the road"


@dataclass(frozen=True)
class Form:
    """How a family writes boxes and points.

    Attributes:
        syntaxes: those of `box_entry.SYNTAXES` whose numbers mean what the next two say, the usual one first.
        unit: the number of the picture's right or lower edge; 0: its width or height in pixels, as the model saw it.
        yx: y comes before x.
        of_name: the question about a name, which takes the place of {name}.
        question: the one about everything.
    """

    syntaxes: tuple[str, ...]
    unit: float
    yx: bool = False
    of_name: str = "Locate every {name} in the image and report the bbox coordinates in JSON format."
    question: str = f"Locate {_EVERY} and report the bbox coordinates with a label in JSON format."


FORMS: dict[str, Form] = {
    "qwen2": Form(
        _QWEN[2:] + _QWEN[:2],
        1000,
        of_name="Find every {name} in the image with grounding.",
        question=f"Find {_EVERY} in the image with grounding.",
    ),
    "qwen2.5": Form(_QWEN, 0),
    "qwen3": Form(
        _QWEN,
        1000,
        of_name='Locate every instance that belongs to the following categories: "{name}". Report bbox coordinates in '
        "JSON format.",
    ),
    "internvl": Form(
        ("box", "list", "pair"),
        1000,
        of_name="Please provide the bounding box coordinates of every region this sentence describes: "
        "<ref>{name}</ref>",
        question=f"Please detect and label {_EVERY}, with the bounding box coordinates of each.",
    ),
    "molmo": Form(("point",), 100, of_name="Point to every {name}.", question=f"Point to {_EVERY}."),
    "molmo2": Form(("coords",), 1000, of_name="Point to every {name}.", question=f"Point to {_EVERY}."),
    "paligemma": Form(("loc",), 1024, yx=True, of_name="detect {name}", question="detect every object"),
    "gemma": Form(
        ("box_2d", "json", "list", "named"),
        1000,
        yx=True,
        of_name='Detect every {name}. Output a JSON list where each entry has "box_2d" and "label".',
        question=f'Detect {_EVERY}. Output a JSON list where each entry has "box_2d" and "label".',
    ),
    "gemini": Form(
        ("box_2d", "json", "list", "named"),
        1000,
        yx=True,
        of_name="Detect the 2d bounding boxes of every {name}. Output a JSON list where each entry contains the 2D "
        'bounding box in "box_2d" and the text label in "label".',
        question=f"Detect the 2d bounding boxes of {_EVERY}. Output a JSON list where each entry contains the 2D "
        'bounding box in "box_2d" and the text label in "label".',
    ),
    "glm": Form(
        ("answer", "list", "bbox_2d", "json", "named"),
        1000,
        of_name="Find every {name} in the picture and provide its bounding box as [[x1,y1,x2,y2]].",
        question=f'Find {_EVERY} and provide a JSON list of objects with "label" and "bbox_2d" as [x1,y1,x2,y2].',
    ),
    "deepseek": Form(
        ("det", "list"),
        999,
        of_name="<|ref|>{name}<|/ref|>.",
        question=f"<|grounding|>Locate {_EVERY} in the given image.",
    ),
    "kosmos": Form(
        ("patch",),
        1,
        of_name="<grounding><phrase> every {name}</phrase>",
        question="<grounding> Describe this image in detail:",
    ),
    "moondream": Form(
        ("named", "json", "list"), 1, of_name="Detect: {name}", question=f"Detect {_EVERY}, each with its label."
    ),
    "florence": Form(
        ("loc_",),
        1000,
        of_name="Locate {name} in the image.",
        question="Locate the objects with category name in the image.",
    ),
}
"""The names of `config.BOX_FORMATS` -> what they mean."""

_BY_ITSELF: dict[str, tuple[float, bool]] = {
    "box_start": (1000, False),
    "box": (1000, False),
    "det": (999, False),
    "answer": (1000, False),
    "point": (100, False),
    "coords": (1000, False),
    "loc": (1024, True),
    "loc_": (1000, False),
    "patch": (1, False),
    "named": (1, False),
}
"""Syntaxes that only one family has: their unit, and whether y comes first, whatever form was expected."""


def form_named(form: str) -> Form:
    """The row of a form.

    Raises:
        ConfigError: there is none of that name.
    """
    if form not in FORMS:
        raise ConfigError(f"vlm.boxes: expected one of {', '.join(FORMS)}, got {form!r}; say in which the model writes")
    return FORMS[form]


def shares(entry: Entry, form: Form, size_wh: tuple[int, int] | None) -> tuple[float, ...] | None:
    """Corners x0, y0, x1, y1 or a point x, y as shares of the picture that the model was shown.

    Corners that are shares already, with a part after the point and none above 1, are taken for what they are.

    Args:
        size_wh: of that picture, in pixels; None if unknown.

    Returns:
        Shares, in [0, 1] if they are inside; None if it can't be told what the numbers are.
    """
    values = entry.values
    assert values is not None
    unit, yx = form.unit, form.yx and entry.syntax in _IN_ORDER
    among_shares = entry.syntax != "loc_" and len(values) == 4 and all(0 <= v <= 1 for v in values)
    if entry.syntax not in form.syntaxes:
        if entry.syntax not in _BY_ITSELF and not (entry.syntax == "box_2d" and "json" not in form.syntaxes):
            return None
        unit, yx = _BY_ITSELF.get(entry.syntax, (1000, True))
        if entry.syntax in ("point", "named") and max(values) > unit:
            return None
    if yx:
        values = tuple(v for i in range(0, len(values), 2) for v in (values[i + 1], values[i]))
    if among_shares and any(v % 1 for v in values):
        return values
    if unit:
        return tuple(v / unit for v in values)
    return None if size_wh is None else tuple(v / size_wh[i % 2] for i, v in enumerate(values))


def looks(form: Form) -> str:
    """What a form looks like, for people."""
    return SYNTAXES[form.syntaxes[0]]
