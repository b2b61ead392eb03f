"""The launch file, run with a stand-in of forty lines where `launch` isn't installed."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from vlsam_ros.config import PROFILES

ROOT = Path(__file__).parents[2]


class Recorded:
    """An action that remembers what it was made with."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.args, self.kwargs = args, kwargs
        self.name = args[0] if args else kwargs.get("name")


def stand_in(share: Path) -> dict[str, ModuleType]:
    """The part of the launch API that the launch file imports."""

    def module(name: str, **content: Any) -> ModuleType:
        result = ModuleType(name)
        vars(result).update(content)
        return result

    def kind(name: str) -> type:
        return type(name, (Recorded,), {})

    class LaunchConfiguration(Recorded):
        def perform(self, context: Any) -> str:
            return context.launch_configurations[self.name]

    names = ("DeclareLaunchArgument", "LogInfo", "OpaqueFunction", "Shutdown")
    return {
        "launch": module("launch", LaunchDescription=kind("LaunchDescription"), LaunchContext=SimpleNamespace),
        "launch.actions": module("launch.actions", **{name: kind(name) for name in names}),
        "launch.substitutions": module("launch.substitutions", LaunchConfiguration=LaunchConfiguration),
        "launch_ros": module("launch_ros"),
        "launch_ros.actions": module("launch_ros.actions", Node=kind("Node")),
        "ament_index_python": module("ament_index_python"),
        "ament_index_python.packages": module(
            "ament_index_python.packages", get_package_share_directory=lambda _: str(share)
        ),
    }


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch):
    """A function from launch arguments to the nodes, as `ros2 launch` would start them."""
    for name, module in stand_in(ROOT).items():
        monkeypatch.setitem(sys.modules, name, module)
    spec = importlib.util.spec_from_file_location("detector_launch", ROOT / "launch" / "detector.launch.py")
    file = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(file)

    def start(**given: str) -> list[Recorded]:
        *arguments, function = file.generate_launch_description().args[0]
        values = {a.name: a.kwargs["default_value"] for a in arguments}
        assert given.keys() <= values.keys()
        for argument in arguments:
            assert argument.kwargs["description"]
            value, choices = given.get(argument.name, values[argument.name]), argument.kwargs.get("choices")
            assert choices is None or value in choices
        context = SimpleNamespace(launch_configurations=values | given)
        return [a for a in function.kwargs["function"](context) if type(a).__name__ == "Node"]

    return start


def test_default_is_the_embedded_profile(launched) -> None:
    (detector,) = launched()
    assert detector.kwargs["package"] == "vlsam_ros" and detector.kwargs["executable"] == "detector"
    assert detector.kwargs["parameters"] == [str(ROOT / "config" / "embedded.yaml"), {}]
    assert detector.kwargs["namespace"] == "" and detector.kwargs["ros_arguments"] == ["--log-level", "info"]
    assert type(detector.kwargs["on_exit"]).__name__ == "Shutdown"


@pytest.mark.parametrize("name", PROFILES)
def test_named_profiles(launched, name: str) -> None:
    assert launched(profile=name)[0].kwargs["parameters"][0] == str(ROOT / "config" / f"{name}.yaml")


def test_own_profile_topics_and_the_rest(launched, tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("")
    (detector,) = launched(
        profile=str(own),
        image_topics="/a/image, /b/image/compressed,",
        transport="raw",
        namespace="truck",
        log_level="debug",
        autostart="false",
    )
    given = {
        "node.image_topics": ["/a/image", "/b/image/compressed"],
        "node.transport": "raw",
        "node.autostart": False,
    }
    assert detector.kwargs["parameters"] == [str(own), given]
    assert detector.kwargs["namespace"] == "truck" and detector.kwargs["ros_arguments"][1] == "debug"


@pytest.mark.parametrize("exit_after", [True, False])
def test_recording(launched, tmp_path: Path, exit_after: bool) -> None:
    detector, player = launched(bag=str(tmp_path), rate="0.2", exit_after_bag=str(exit_after).lower())
    assert player.kwargs["executable"] == "bag_player"
    assert detector.kwargs["parameters"][1] == {"node.max_age_s": 0.0}  # without its clock, all of it is old
    reliable = ["--reliable"] if exit_after else []
    assert player.kwargs["arguments"] == [str(tmp_path), "--rate", "0.2", "--wait-for-subscribers", "1", *reliable]
    assert (player.kwargs["on_exit"] is not None) == exit_after
    for signal in ("sigterm_timeout", "sigkill_timeout"):  # a queue may take longer than launch's five seconds
        assert (float(detector.kwargs.get(signal, 5)) > 3600) == exit_after


def test_sample_recording_is_found_from_any_folder(launched, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert launched(bag="sample_bag")[1].kwargs["arguments"][0] == str(ROOT / "sample_bag")
    (tmp_path / "sample_bag").mkdir()  # one's own comes first
    assert launched(bag="sample_bag")[1].kwargs["arguments"][0] == str(tmp_path / "sample_bag")


def test_simulated_time_is_for_both(launched, tmp_path: Path) -> None:
    detector, player = launched(bag=str(tmp_path), use_sim_time="true")
    assert detector.kwargs["parameters"][1] == {"use_sim_time": True}
    assert player.kwargs["arguments"][-1] == "--clock"


@pytest.mark.parametrize(
    "wrong", [{"profile": "laptop"}, {"profile": "/no/such.yaml"}, {"bag": "/no/such/bag"}, {"bag": "no_bag"}]
)
def test_missing_files_are_named(launched, wrong: dict[str, str]) -> None:
    with pytest.raises(FileNotFoundError, match=next(iter(wrong.values()))):
        launched(**wrong)


def test_executables_are_installed() -> None:
    for name in ("detector", "bag_player"):
        assert (ROOT / "scripts" / name).read_text().startswith("#!/usr/bin/env python3\n")
