"""Write docs/parameters.md from the options in vlsam_ros/config.py: `python tools/parameters_doc.py`."""

from __future__ import annotations

import sys
from itertools import groupby
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from vlsam_ros.config import Config, Option, is_live, options  # noqa: E402

DOCUMENT = ROOT / "docs" / "parameters.md"
TYPES = {bool: "bool", int: "int", float: "float", str: "string"}


def text() -> str:
    """The whole document."""
    parts = [
        "# Parameters",
        "",
        "Every option once, as declared in `vlsam_ros/config.py`; this file is made by `tools/parameters_doc.py`.",
        "In a ROS parameter file or on the command line its name is `group.option`. A wrong name, type or value stops",
        "the node at start with exit code 2. Those that are *live* may change while it runs, between two frames; the",
        "others while it is unconfigured.",
    ]
    for group, members in groupby(options(), key=lambda option: option.group):
        title = type(getattr(Config(), group)).__doc__.rstrip(".")
        parts += [
            "",
            f"## {group}: {title[0].lower()}{title[1:]}",
            "",
            "| name | type | default | range | live | |",
            "|---|---|---|---|---|---|",
        ]
        parts += [row(option) for option in members]
    return "\n".join(parts) + "\n"


def row(option: Option) -> str:
    """One option's line."""
    allowed = ", ".join(f"`{c}`" for c in option.choices)
    if option.low is not None and option.high is not None:
        allowed = f"{option.low:,g} to {option.high:,g}".replace(",", " ")
    default = (
        f"`{option.default}`".replace("'", '"') if option.type is list else f"`{option.default!r}`".replace("'", "")
    )
    cells = (
        f"`{option.name}`",
        f"list of {TYPES[option.item]}s" if option.type is list else TYPES[option.type],
        default.replace("True", "true").replace("False", "false"),
        allowed,
        "live" if is_live(option) else "",
        option.doc,
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    DOCUMENT.parent.mkdir(exist_ok=True)
    DOCUMENT.write_text(text())
