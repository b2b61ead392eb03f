"""The profiles, the document of all options, and options as ROS parameters."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
import yaml

from vlsam_ros.config import Config, options
from vlsam_ros.errors import ConfigError

ROOT = Path(__file__).parents[2]


def flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested groups to ``group.option``."""
    result = {}
    for name, value in tree.items():
        result |= flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return result


def profile(name: str) -> dict[str, Any]:
    return flat(yaml.safe_load((ROOT / "config" / f"{name}.yaml").read_text())["/**"]["ros__parameters"])


@pytest.mark.parametrize("name", ["embedded", "desktop", "jetson"])
def test_profiles_are_valid(name: str) -> None:
    Config.from_flat(profile(name))


@pytest.mark.parametrize("name", ["desktop", "jetson"])
def test_profiles_name_only_what_differs(name: str) -> None:
    defaults = Config().flat()
    same = [key for key, value in profile(name).items() if defaults[key] == value and key != "node.keyframe_rate_hz"]
    assert not same


def test_document_is_up_to_date() -> None:
    spec = importlib.util.spec_from_file_location("parameters_doc", ROOT / "tools" / "parameters_doc.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.DOCUMENT.read_text() == module.text(), "run: python tools/parameters_doc.py"
    for option in options():
        assert f"`{option.name}`" in module.text()


@pytest.fixture(scope="module")
def declared():
    """A function from ROS arguments to the configuration and the node."""
    pytest.importorskip("vlsam_ros.msg", reason="messages not built: make build")
    import rclpy
    from rclpy.node import Node

    from vlsam_ros.ros.parameters import declare

    open_ones = []

    def start(*arguments: str) -> tuple[Config, Node]:
        context = rclpy.Context()
        context.init(["--ros-args", *arguments], domain_id=101)
        node = Node("parameters", context=context)
        open_ones.append((node, context))
        return declare(node), node

    yield start
    for node, context in open_ones:
        node.destroy_node()
        context.shutdown()


def test_defaults(declared) -> None:
    config, node = declared()
    assert config == Config()
    for option in options():
        about = node.describe_parameter(option.name)
        assert about.description == option.doc and about.read_only
        value = node.get_parameter_or(option.name).value
        assert (value or option.default) == option.default


def test_range_and_choices_are_described(declared) -> None:
    _, node = declared()
    assert node.describe_parameter("views.overlap").floating_point_range[0].to_value == pytest.approx(0.8)
    assert node.describe_parameter("vlm.max_new_tokens").integer_range[0].from_value == 1
    assert "bfloat16" in node.describe_parameter("vlm.dtype").additional_constraints


GIVEN = {
    "string": ("vlm.model:=/a/path", "vlm.model", "/a/path"),
    "int for a float": ("node.keyframe_rate_hz:=2", "node.keyframe_rate_hz", 2.0),
    "list": ("questions.ignore:=[road, sky]", "questions.ignore", ["road", "sky"]),
    "empty list": ("questions.ignore:=[]", "questions.ignore", []),
    "list of numbers": ("node.pitch_deg:=[2.5, -1.0]", "node.pitch_deg", [2.5, -1.0]),
    "list of whole numbers": ("node.pitch_deg:=[2, 0]", "node.pitch_deg", [2.0, 0.0]),
    "empty list for a full default": ("questions.questions:=[]", "questions.questions", []),
    "bool": ("node.queue_all:=true", "node.queue_all", True),
    "unknown elsewhere": ("somebody.else:=1", "vlm.model", "embedded"),
    "simulated time": ("use_sim_time:=true", "vlm.model", "embedded"),
}


@pytest.mark.parametrize(("argument", "name", "expected"), GIVEN.values(), ids=GIVEN)
def test_given_values(declared, argument: str, name: str, expected: object) -> None:
    config, node = declared("-p", argument)
    assert config.flat()[name] == expected
    shown = node.get_parameter_or(name).value or expected
    assert (list(shown) if isinstance(expected, list) else shown) == expected


WRONG = {
    "name": ("vlm.modle:=x", "unknown option 'vlm.modle'.*vlm.model"),
    "type": ("vlm.model:=5", "vlm.model: expected str, got int 5"),
    "range": ("views.overlap:=0.95", "views.overlap: expected 0 to 0.8, got 0.95"),
    "choice": ("vlm.dtype:=float8", "vlm.dtype: expected one of auto"),
    "list of numbers": ("questions.ignore:=[1, 2]", "expected a list of strings"),
    "string for a list": ("node.image_topics:=/image", "node.image_topics: expected a list of strings"),
}


@pytest.mark.parametrize(("argument", "text"), WRONG.values(), ids=WRONG)
def test_wrong_values(declared, argument: str, text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        declared("-p", argument)


@pytest.mark.parametrize("name", ["embedded", "desktop", "jetson"])
def test_profiles_as_parameter_files(declared, name: str) -> None:
    config, _ = declared("--params-file", str(ROOT / "config" / f"{name}.yaml"))
    assert config == Config.from_flat(profile(name))


def test_parameters_are_fixed_after_the_start(declared) -> None:
    from rclpy.parameter import Parameter

    _, node = declared()
    assert not node.set_parameters([Parameter("vlm.model", value="other")])[0].successful
