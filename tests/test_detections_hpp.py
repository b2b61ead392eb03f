"""The C++ checks of a whole message against Python's: both take and refuse the same."""

from __future__ import annotations

import math
import shutil
import struct
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from vlsam_ros.output.messages import FUTURE_S, fresh, from_message
from vlsam_ros.output.rle import MaskError

ROOT = Path(__file__).resolve().parents[1]
STAND_IN = """
struct Time { std::int32_t sec{}; std::uint32_t nanosec{}; };
struct Header { Time stamp; };
struct Mask { std::uint32_t x{}, y{}, width{}, height{}; std::vector<std::uint32_t> runs; };
struct Instance {
  std::string label; Mask mask;
  float score{}, attention_score{}, iou_score{}, consistency_score{}, certainty_score{};
  float x_min{}, y_min{}, x_max{}, y_max{};
};
struct Message {
  static constexpr std::uint8_t STATUS_PARTIAL = 1;
  Header header; std::uint32_t image_width{}, image_height{}; std::uint8_t status{}; float age_s{};
  std::vector<Instance> instances;
};
"""
GENERATED = """
#include <vlsam_ros/msg/detected_instance_array.hpp>
using Message = vlsam_ros::msg::DetectedInstanceArray;
"""
# Reads a line per message, floats as their bits and labels in hexadecimal: `f sec nanosec status age now max_age`, or
# `c width height copies label 9 floats x y width height n run...`. Writes 0 or 1, and the error.
PROGRAM = """
#include <vlsam_ros/detections.hpp>
#include <cstring>
#include <iostream>
%s
template<typename Float, typename Bits> Float number()
{
  Bits bits;
  Float value;
  std::cin >> bits;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}
int main()
{
  char kind;
  while (std::cin >> kind) {
    Message message;
    if (kind == 'f') {
      int status;
      std::cin >> message.header.stamp.sec >> message.header.stamp.nanosec >> status;
      message.status = static_cast<std::uint8_t>(status);
      message.age_s = number<float, std::uint32_t>();
      const double now = number<double, std::uint64_t>(), max_age = number<double, std::uint64_t>();
      std::cout << vlsam_ros::fresh(message, now, max_age) << "\\n";
      continue;
    }
    std::size_t copies, runs;
    std::string label;
    std::cin >> message.image_width >> message.image_height >> copies >> label;
    message.instances.resize(1);
    auto & i = message.instances[0];
    for (std::size_t at = 1; at + 1 < label.size(); at += 2) {
      i.label += static_cast<char>(std::stoi(label.substr(at, 2), nullptr, 16));
    }
    for (float * value : {&i.score, &i.attention_score, &i.iou_score, &i.consistency_score, &i.certainty_score,
        &i.x_min, &i.y_min, &i.x_max, &i.y_max})
    {
      *value = number<float, std::uint32_t>();
    }
    std::cin >> i.mask.x >> i.mask.y >> i.mask.width >> i.mask.height >> runs;
    i.mask.runs.resize(runs);
    for (auto & run : i.mask.runs) {std::cin >> run;}
    const auto one = i;
    message.instances.assign(copies, one);
    try {
      vlsam_ros::check_detections(message);
      std::cout << "1\\n";
    } catch (const std::invalid_argument & error) {
      std::cout << "0 " << error.what() << "\\n";
    }
  }
}
"""


@pytest.fixture(scope="module", params=["stand-in", "generated"])
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program, compiled without ROS, and with the generated message."""
    compiler = shutil.which("c++") or shutil.which("g++")
    if compiler is None:
        pytest.skip("no C++ compiler")
    folder = tmp_path_factory.mktemp("detections")
    includes = [ROOT / "include"]
    if request.param == "generated":
        pytest.importorskip("vlsam_ros.msg", reason="messages are not built")
        from ament_index_python import get_package_prefix

        for package in ("vlsam_ros", "rosidl_runtime_cpp"):
            includes += [p for p in (Path(get_package_prefix(package)) / "include").iterdir() if p.is_dir()]
    (folder / "main.cpp").write_text(PROGRAM % (STAND_IN if request.param == "stand-in" else GENERATED))
    flags = ["-std=c++17", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror"]
    system = [part for path in includes[1:] for part in ("-isystem", path)]
    command = [compiler, *flags, "-I", includes[0], *system, folder / "main.cpp", "-o", folder / "program"]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder / "program"


def answers(program: Path, lines: list[str]) -> list[str]:
    return subprocess.run(
        [program], input="\n".join(lines), capture_output=True, text=True, check=True
    ).stdout.splitlines()


def bits(value: float, double: bool = False) -> int:
    return int.from_bytes(struct.pack("<d" if double else "<f", value), "little")


def message(copies: int = 1, size: tuple[int, int] = (12, 10), **changes: Any) -> Any:
    """A message with `copies` of one instance, 6 × 6 px at (3, 2), with some fields changed."""
    names = ("score", "attention_score", "iou_score", "consistency_score", "certainty_score")
    box = {"x_min": 3.0, "y_min": 2.0, "x_max": 9.0, "y_max": 8.0}
    mask = {"x": 3, "y": 2, "width": 6, "height": 6, "runs": [0, 36]}
    mask |= {name: changes.pop(name) for name in tuple(changes) if name in mask}
    texts = {"view": "full", "source": "attention", "reason": "", "label": "stone"}
    values = texts | dict.fromkeys(names, 0.5) | box | changes
    mask["runs"] = np.array(mask["runs"], np.uint32)
    instance = SimpleNamespace(mask=SimpleNamespace(**mask), **values)
    models = {"skipped": [], "vlm": "", "segmenter": "", "grounder": "", "demonstration": False}
    return SimpleNamespace(image_width=size[0], image_height=size[1], instances=[instance] * copies, **models)


def as_line(m: Any) -> str:
    i = m.instances[0]
    names = ("score", "attention_score", "iou_score", "consistency_score", "certainty_score")
    floats = [bits(getattr(i, name)) for name in (*names, "x_min", "y_min", "x_max", "y_max")]
    region = [i.mask.x, i.mask.y, i.mask.width, i.mask.height, len(i.mask.runs), *i.mask.runs.tolist()]
    label = "_" + i.label.encode().hex()
    return " ".join(map(str, ["c", m.image_width, m.image_height, len(m.instances), label, *floats, *region]))


LARGE = {"size": (1 << 14, 1 << 14), "x": 0, "y": 0, "width": 1 << 14, "height": 1 << 14, "runs": [0, 1 << 28]}
GOOD = [
    message(),
    message(copies=1000),
    message(score=0.0, iou_score=1.0),
    message(x=6, y=4, x_max=12.0, y_max=10.0),
    message(x=0, y=0, width=0, height=0, runs=[]),
    message(label="ölfass 日本 ‰ – “a”"),
    message(label="x" * 128),
    message(label="日" * 128),
    message(runs=[1, 34, 1]),
]
BAD = [
    message(**LARGE, copies=2),
    message(size=(1 << 14, (1 << 14) + 1)),
    message(size=(0xFFFFFFFF, 0xFFFFFFFF)),
    message(copies=1001),
    *(message(**{name: value}) for name in ("score", "certainty_score") for value in (math.nan, math.inf, -0.1, 1.1)),
    *(message(attention_score=-1.0), message(iou_score=2.0), message(consistency_score=math.nan)),
    *(message(**{edge: value}) for edge in ("x_min", "y_max") for value in (math.nan, math.inf, -1.0, 12.5)),
    message(x_min=9.0, x_max=3.0),
    message(x=7),
    message(y=5),
    message(x=0xFFFFFFFF),
    message(runs=[0, 35]),
    message(runs=[0, 37]),
    message(runs=[0xFFFFFFFF] * 3),
    message(runs=[0] * 40 + [36]),
    *(message(label=label) for label in ("", "x" * 129, "日" * 129)),
    *(
        message(label=f"sto{mark}ne")
        for mark in "\0\a\n\x1b\x7f\x85\x9b\u00a0\u00ad\u200b\u200f\u2028\u202e\u2060\u2066\ufeff"
    ),
]


def test_the_same_is_taken_and_refused(program: Path) -> None:
    for each, taken in [*((m, True) for m in GOOD), *((m, False) for m in BAD)]:
        try:
            from_message(each)
            assert taken, vars(each.instances[0])
        except MaskError as error:
            assert not taken, error
    lines = answers(program, [as_line(m) for m in (*GOOD, *BAD)])
    assert lines[: len(GOOD)] == ["1"] * len(GOOD)
    assert [line for line in lines[len(GOOD) :] if not line.startswith("0 ") or len(line) < 10] == []
    assert len(lines) == len(GOOD) + len(BAD) and "536870912 px together" in lines[len(GOOD)]


def test_the_same_is_fresh(program: Path) -> None:
    now, cases = 1_700_000_000.0, []
    for ahead in (-3600.0, -2.5, -1.5, 0.0, FUTURE_S - 0.1, FUTURE_S + 0.1, 3600.0, -now):
        for status, age_s, clock in ((0, 0.1, now), (1, 9e9, now), (10, 0.1, now), (0, math.nan, now), (0, 0.1, 0.0)):
            for max_age in (2.0, math.nan, math.inf):
                cases.append((now + ahead, status, age_s, clock, max_age))
    expected, lines = [], []
    for stamp_s, status, age_s, clock, max_age in cases:
        sec, nanosec = int(stamp_s), round(stamp_s % 1 * 1e9)
        header = SimpleNamespace(stamp=SimpleNamespace(sec=sec, nanosec=nanosec))
        m = SimpleNamespace(header=header, status=status, age_s=age_s)
        expected.append(str(int(fresh(m, clock, max_age))))
        lines.append(f"f {sec} {nanosec} {status} {bits(age_s)} {bits(clock, True)} {bits(max_age, True)}")
    assert answers(program, lines) == expected
    assert expected.count("1") == 2 * (3 + 5)  # three ages below 2 s and five below infinity, for status 0 and 1
