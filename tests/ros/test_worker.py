"""What is said of the models before they are loaded."""

import pytest

from vlsam_ros.config import Config
from vlsam_ros.ros.worker import configured

URL = "openai:http://host:8000/v1#"


@pytest.mark.parametrize(
    "options, vlm, demonstration",
    [
        ({}, "embedded", True),
        ({"vlm.model": "Qwen/Qwen3-VL"}, "Qwen/Qwen3-VL", True),  # the segmenter
        ({"vlm.model": "Qwen/Qwen3-VL", "segmenter.model": "facebook/sam"}, "Qwen/Qwen3-VL", False),
        ({"vlm.model": f"{URL}Qwen/Qwen3-VL", "segmenter.model": "facebook/sam"}, "Qwen/Qwen3-VL", False),
        ({"vlm.model": f"{URL}embedded-plain", "segmenter.model": "facebook/sam"}, "embedded-plain", True),
        ({"vlm.model": f"{URL}/x/embedded/weights/vlm", "segmenter.model": "s"}, "/x/embedded/weights/vlm", True),
        ({"vlm.model": f"{URL}m", "vlm.replay": "embedded", "segmenter.model": "facebook/sam"}, "m", True),
        ({"vlm.model": "openai:http://me:secret@host/v1#m", "segmenter.model": "facebook/sam"}, "", False),
    ],
)
def test_what_is_configured(options: dict[str, str], vlm: str, demonstration: bool) -> None:
    found = configured(Config.from_flat(options))
    assert (found.vlm, found.demonstration, found.grounder) == (vlm, demonstration, "")


def test_a_grounder_is_named_where_it_is_a_way_and_a_segmenter_where_there_is_one() -> None:
    options = {"vlm.model": "v", "grounder.model": "g", "grounder.mode": "grounder", "segmenter.model": "none"}
    found = configured(Config.from_flat(options))
    assert (found.vlm, found.segmenter, found.grounder, found.demonstration) == ("v", "", "g", False)
    native = configured(Config.from_flat(options | {"grounder.mode": "native", "segmenter.model": "s"}))
    assert (native.segmenter, native.grounder) == ("s", "")
