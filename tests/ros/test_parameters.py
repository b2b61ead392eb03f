"""The profiles, the document of all options, and options as ROS parameters."""

from __future__ import annotations

import importlib.util
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from vlsam_ros.config import PROFILES, Config, is_live, options
from vlsam_ros.errors import ConfigError
from vlsam_ros.options import MAX_BYTES, in_file

ROOT = Path(__file__).parents[2]


def flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested groups to ``group.option``."""
    result = {}
    for name, value in tree.items():
        result |= flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return result


def profile(name: str) -> dict[str, Any]:
    return flat(yaml.safe_load((ROOT / "config" / f"{name}.yaml").read_text())["/**"]["ros__parameters"])


@pytest.mark.parametrize("name", PROFILES)
def test_profiles_are_valid(name: str) -> None:
    Config.from_flat(profile(name))


@pytest.mark.parametrize("name", PROFILES[1:])
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

    def start(*arguments: str, namespace: str = "") -> tuple[Config, Node]:
        context = rclpy.Context()
        context.init(["--ros-args", *arguments], domain_id=101)
        node = Node("vlsam_detector", context=context, namespace=namespace)
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
        assert about.description == option.doc and not about.read_only
        assert ("at any time" if is_live(option) else "unconfigured") in about.additional_constraints
        value = node.get_parameter(option.name).value
        assert (list(value) if option.type is list else value) == option.default


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
    "list of numbers": ("node.pitch_deg:=[2.5]", "node.pitch_deg", [2.5]),
    "list of whole numbers": ("node.pitch_deg:=[2]", "node.pitch_deg", [2.0]),
    "empty list for a full default": ("questions.questions:=[]", "questions.questions", []),
    "bool": ("node.queue_all:=true", "node.queue_all", True),
    "unknown elsewhere": ("somebody.else:=1", "vlm.model", "embedded"),
    "simulated time": ("use_sim_time:=true", "vlm.model", "embedded"),
}


@pytest.mark.parametrize(("argument", "name", "expected"), GIVEN.values(), ids=GIVEN)
def test_given_values(declared, argument: str, name: str, expected: object) -> None:
    config, node = declared("-p", argument)
    assert config.flat()[name] == expected
    shown = node.get_parameter(name).value
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


def section(text: str, name: str = "/**") -> str:
    """A parameter file's section; `text` has one parameter a line."""
    return f"{name}:\n  ros__parameters:\n" + "".join(f"    {line}\n" for line in text.splitlines())


SAME = {
    "exponents": section("views.overlap: 1e-1\nscore: {iou: 1E+1, bias: -1.5e1}\nmerge.iou: .5"),
    "whole numbers for floats": section("score.iou: 2\nnode.pitch_deg: [1]"),
    "octal, hexadecimal, signs": section("vlm: {max_new_tokens: 010, beams: +2, threads: 0x4}"),
    "words": section("node: {queue_all: on, camera_info: Yes}\nmerge.meaning: n\nrefine.cascade: FALSE"),
    "text that looks like numbers": section(
        "vlm.model: '007'\nsegmenter.model: 1_000\nquestions.ignore: ['1', \"on\"]"
    ),
    "text that YAML has types for": section("vlm.model: 2024-01-01\nsegmenter.model: ~\ngrounder.model: 12:30"),
    "text over lines": section("verify.question: >-\n  Is there\n  a {name}?\nvlm.model: |-\n  a/path"),
    "an explicit type": section("vlm.model: !!str 1e-3"),
    "empty lists": section("questions.ignore: []\nmerge: {synonyms: [ ]}\nviews: {}"),
    "dots in names": section("views.far: 2\nviews: {near: 1}\nnode:\n  keyframe_rate_hz: 2"),
    "twice": section("views.far: 2\nviews.far: 3\nmerge.iou: 0.5\nmerge: {iou: 0.25}"),
    "what is for any node": section(
        "use_sim_time: true\nviews.far: 4\nqos_overrides:\n  /cam/image:\n    subscription:\n      depth: 3"
    ),
    "what is for nobody": section("views.far: 4\nsomebody.else: 1\nother: [1, 2]"),
    "other nodes": section("views.far: 4") + section("views.far: 3\nrate: 1", "camera") + section("a: 1", "/ns/camera"),
    "other nodes only": section("rate: 1", "/camera"),
    "nothing": "",
    "later sections win": section("views.far: 2\nviews.near: 1", "vlsam_detector") + section("views.far: 3"),
    "this node": section("views.far: 2") + section("views.far: 3", "/vlsam_detector"),
    "any namespace": section("views.far: 2", "/**/vlsam_detector"),
    "any node": section("views.far: 2", "/*"),
    "nested": "/**:\n  vlsam_detector:\n    ros__parameters:\n      views: {far: 2}\n",
    "two documents": f"---\n{section('views.far: 2')}---\n{section('views.far: 3')}",
    "an anchor, not used": "/**: &all\n  ros__parameters:\n    views.far: 2\n",
    "a mark at the start": "\ufeff" + section("views.far: 2"),
    "comments": "# mine\n" + section("views.far: 2 # far\nvlm.model: 'a # b'"),
    "an integer that is no float": section("views.far: 2.0"),
    "a float that is text": section("views.overlap: '0.1'"),
    "not set": section("vlm.model: {}"),
    "nan": section("views.overlap: .nan"),
    "infinite": section("score.bias: -.inf"),
    "unknown option": section("views.fra: 2"),
    "two types in a list": section("node.pitch_deg: [1, 2.0]"),
    "wrong elsewhere": section("a: [1, x]", "camera") + section("views.far: 2"),
    "no value": section("views:"),
    "an alias": section("views: &v {far: 2}\nscore: *v"),
    "no node": "views:\n  far: 2\n",
    "no parameters": "vlsam_detector:\n  ros__parameters:\n",
    "a list": "- 1\n",
    "no YAML": "/**: [",
    "a topic without a valid name": section("node.image_topics: [/cam//image]"),
}


@pytest.mark.parametrize("text", SAME.values(), ids=SAME)
def test_a_file_means_the_same_to_the_node_and_to_the_command_line(declared, tmp_path: Path, text: str) -> None:
    path = tmp_path / "profile.yaml"
    path.write_text(text)
    try:
        expected = declared("--params-file", str(path))[0].flat()
    except (ConfigError, RuntimeError):  # RCLError, if its parser refuses it
        expected = None
    if expected is None:
        with pytest.raises(ConfigError):
            Config.from_file(path)
    else:
        assert Config.from_file(path).flat() == expected
        assert all(type(v) is type(expected[k]) for k, v in Config.from_file(path).flat().items())


NAMESPACES = {
    "relative": section("views.far: 2", "truck/vlsam_detector"),
    "absolute": section("views.far: 2", "/truck/vlsam_detector"),
    "nested": "truck:\n  vlsam_detector:\n    ros__parameters:\n      views: {far: 2}\n",
    "any": section("views.far: 2", "/*/vlsam_detector"),
}


@pytest.mark.parametrize("text", NAMESPACES.values(), ids=NAMESPACES)
def test_a_detector_in_a_namespace_is_ours(declared, tmp_path: Path, text: str) -> None:
    path = tmp_path / "profile.yaml"
    path.write_text(section("views.far: 1") + text)
    config, _ = declared("--params-file", str(path), namespace="/truck")
    assert config.views.far == 2 and Config.from_file(path) == config


def test_two_detectors_are_not_one_profile(tmp_path: Path) -> None:
    path = tmp_path / "profile.yaml"
    path.write_text(section("views.far: 1", "/left/vlsam_detector") + section("views.far: 2", "/right/vlsam_detector"))
    with pytest.raises(ConfigError, match="one detector, got those of left/vlsam_detector, right/vlsam_detector"):
        Config.from_file(path)


TOPICS = [
    *("/a", "a", "/a/b_c/D1", "~/a", "_a/_b", "/a/{node}", "a{node}b/c", "/a__b"),
    *("", "/", "/a/", "a/", "//a", "/a//b", "a b", " a", "/1a", "a/2b", "~a", "a~", "/~/a", "a-b", "a.b", "/ä", "/a\n"),
    *("{", "a{b", "a}b", "/a{}", "{1}/a", "/a/{a b}", "/a\x1b[2J"),
]


@pytest.mark.parametrize("topic", TOPICS, ids=repr)
def test_names_of_topics_are_those_of_ros(declared, topic: str) -> None:
    from rclpy.exceptions import InvalidTopicNameException
    from rclpy.validate_full_topic_name import validate_full_topic_name

    _, node = declared()
    try:
        valid = validate_full_topic_name(node.resolve_topic_name(topic))
    except (RuntimeError, InvalidTopicNameException):
        valid = False
    try:
        Config.from_flat({"node.image_topics": [topic]})
        assert valid
    except ConfigError as error:
        assert not valid and "node.image_topics: expected names" in str(error)


def test_dump_shows_every_parameter(declared) -> None:
    """What `ros2 param dump` does: all names from one service, all values from another."""
    from rcl_interfaces.srv import GetParameters, ListParameters
    from rclpy.executors import SingleThreadedExecutor
    from rclpy.parameter import parameter_value_to_python

    _, node = declared("-p", "questions.ignore:=[road]")
    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(node)

    def asked(kind: type, name: str, request: Any) -> Any:
        client = node.create_client(kind, f"/vlsam_detector/{name}")
        assert client.wait_for_service(10.0)
        future = client.call_async(request)
        executor.spin_until_future_complete(future, 10.0)
        return future.result()

    names = asked(ListParameters, "list_parameters", ListParameters.Request()).result.names
    values = asked(GetParameters, "get_parameters", GetParameters.Request(names=names)).values
    shown = dict(zip(names, map(parameter_value_to_python, values), strict=True))
    expected = Config().flat() | {"questions.ignore": ["road"]}
    assert {
        n: list(v) if isinstance(expected.get(n), list) else v for n, v in shown.items() if n in expected
    } == expected
    executor.remove_node(node)


@pytest.mark.parametrize("name", PROFILES)
def test_profiles_as_parameter_files(declared, name: str) -> None:
    config, _ = declared("--params-file", str(ROOT / "config" / f"{name}.yaml"))
    assert config == Config.from_flat(profile(name))


def test_what_is_live_changes_all_at_once_and_the_rest_is_refused_with_the_reason(declared) -> None:
    from rclpy.parameter import Parameter

    from vlsam_ros.ros.parameters import follow

    config, node = declared()
    applied, why = [], ["not while it runs"]
    follow(node, config, lambda: why[0], applied.append)

    def change(**values: Any) -> tuple[bool, str]:
        parameters = [Parameter(name.replace("__", "."), value=value) for name, value in values.items()]
        result = node.set_parameters_atomically(parameters)
        return result.successful, result.reason

    assert change(merge__min_score=0.7, questions__ignore=["road"]) == (True, "")
    assert (applied[-1].merge.min_score, applied[-1].questions.ignore) == (0.7, ["road"]) and len(applied) == 1
    assert node.get_parameter("merge.min_score").value == 0.7
    refused = change(merge__min_score=0.2, vlm__model="other")
    assert refused == (False, "vlm.model: not while it runs")
    assert node.get_parameter("merge.min_score").value == 0.7 and len(applied) == 1
    for values, reason in (
        ({"node__priorities": [1.0, 2.0]}, "expected 1 or 1 values"),
        ({"verify__question": "Is it there?"}, "expected '{name}' in it"),
        ({"score__attention": 0.0, "score__iou": 0.0, "score__consistency": 0.0}, "expected a weight above 0"),
        ({"node__keyframes": "sometimes"}, "expected one of rate, change"),
        ({"node__keyframe_rate_hz": -1.0}, "node.keyframe_rate_hz"),
    ):
        successful, text = change(**values)
        assert not successful and reason in text, text
    assert len(applied) == 1
    why[0] = ""
    assert change(vlm__model="other") == (True, "") and applied[-1].vlm.model == "other"
    assert change(use_sim_time=False)[0]


ENDLESS = {
    "lists": ("[" * 20_000, "at most 50 levels"),
    "mappings": ("{" * 20_000, "at most 50 levels"),
    "lists in lines": ("- " * 20_000, "at most 50 levels"),
    "namespaces": ("".join(f"{' ' * n}a:\n" for n in range(500)), "at most 50 levels"),
    "bytes": ("#" * (MAX_BYTES + 1), f"at most {MAX_BYTES} bytes"),
}


@pytest.mark.parametrize(("text", "problem"), ENDLESS.values(), ids=ENDLESS)
def test_a_file_without_end_is_refused_in_no_time(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "file.yaml").write_text(text)
    started = time.process_time()
    with pytest.raises(ConfigError, match=problem):
        in_file(tmp_path / "file.yaml")
    assert time.process_time() - started < 5
