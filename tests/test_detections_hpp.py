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
from vlsam_ros.output.text import shows

ROOT = Path(__file__).resolve().parents[1]
STAND_IN = """
struct Time { std::int32_t sec{}; std::uint32_t nanosec{}; };
struct Header { Time stamp; };
struct Mask { std::uint32_t x{}, y{}, width{}, height{}; std::vector<std::uint32_t> runs; };
struct Point { double x{}, y{}, z{}; };
struct Answer { std::string view, question, text; };
struct Witness { std::string way; float score{}, iou{}; };
struct Instance {
  std::string label, track_id; Mask mask; std::uint32_t seen{}, looked{};
  float unseen_s{}, azimuth{}, elevation{}, distance{}, distance_min{}, distance_max{};
  bool has_ground_point{}; Point ground_point; std::array<double, 9> ground_covariance{};
  float score{}, attention_score{}, iou_score{}, consistency_score{}, certainty_score{};
  float x_min{}, y_min{}, x_max{}, y_max{};
  std::vector<Witness> witnesses;
};
struct Message {
  static constexpr std::uint8_t STATUS_UNFAMILIAR = 2;
  Header header; std::uint32_t image_width{}, image_height{}; std::uint8_t status{}; float age_s{};
  std::vector<Instance> instances; std::vector<Answer> answers;
};
"""
GENERATED = """
#include <vlsam_ros/msg/detected_instance_array.hpp>
using Message = vlsam_ros::msg::DetectedInstanceArray;
"""
# Reads a line per message, floats as their bits and labels in hexadecimal: `l label`, `u` (two lines of 0 and 1, for
# all code points behind a letter and alone), `f sec nanosec status age now max_age`, or
# `c width height copies label 9 floats x y width height n run... track_id seen looked 6 floats has_ground_point 12
# doubles answers view question text n (way score iou)...`. Writes 0 or 1, and the error.
PROGRAM = """
#include <vlsam_ros/detections.hpp>
#include <array>
#include <cstring>
#include <initializer_list>
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
bool is_label(const std::string & label)
{
  try {
    vlsam_ros::check_label(label);
    return true;
  } catch (const std::invalid_argument &) {
    return false;
  }
}
std::string utf8(unsigned c)
{
  const auto rest = [&](unsigned shift) {return static_cast<char>(0x80 | (c >> shift & 0x3F));};
  if (c < 0x80) {return {static_cast<char>(c)};}
  if (c < 0x800) {return {static_cast<char>(0xC0 | c >> 6), rest(0)};}
  if (c < 0x10000) {return {static_cast<char>(0xE0 | c >> 12), rest(6), rest(0)};}
  return {static_cast<char>(0xF0 | c >> 18), rest(12), rest(6), rest(0)};
}
std::string from_hex(const std::string & text)
{
  std::string result;
  for (std::size_t at = 1; at + 1 < text.size(); at += 2) {
    result += static_cast<char>(std::stoi(text.substr(at, 2), nullptr, 16));
  }
  return result;
}
int main()
{
  char kind;
  while (std::cin >> kind) {
    Message message;
    if (kind == 'u') {
      for (const std::string before : {"a", ""}) {
        for (unsigned c = 0; c <= 0x10FFFF; ++c) {std::cout << is_label(before + utf8(c));}
        std::cout << "\\n";
      }
      continue;
    }
    if (kind == 'l') {
      std::string text;
      std::cin >> text;
      std::cout << is_label(from_hex(text)) << "\\n";
      continue;
    }
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
    i.label = from_hex(label);
    for (float * value : {&i.score, &i.attention_score, &i.iou_score, &i.consistency_score, &i.certainty_score,
        &i.x_min, &i.y_min, &i.x_max, &i.y_max})
    {
      *value = number<float, std::uint32_t>();
    }
    std::cin >> i.mask.x >> i.mask.y >> i.mask.width >> i.mask.height >> runs;
    i.mask.runs.resize(runs);
    for (auto & run : i.mask.runs) {std::cin >> run;}
    std::string track_id, view, question, text;
    std::cin >> track_id >> i.seen >> i.looked;
    i.track_id = from_hex(track_id);
    for (float * value : {&i.unseen_s, &i.azimuth, &i.elevation, &i.distance, &i.distance_min, &i.distance_max}) {
      *value = number<float, std::uint32_t>();
    }
    std::cin >> i.has_ground_point;
    for (double * value : {&i.ground_point.x, &i.ground_point.y, &i.ground_point.z}) {
      *value = number<double, std::uint64_t>();
    }
    for (double & value : i.ground_covariance) {value = number<double, std::uint64_t>();}
    std::size_t answers;
    std::cin >> answers >> view >> question >> text;
    message.answers.resize(answers);
    for (auto & answer : message.answers) {
      answer.view = from_hex(view);
      answer.question = from_hex(question);
      answer.text = from_hex(text);
    }
    std::size_t witnesses;
    std::cin >> witnesses;
    i.witnesses.resize(witnesses);
    for (auto & witness : i.witnesses) {
      std::string way;
      std::cin >> way;
      witness.way = from_hex(way);
      witness.score = number<float, std::uint32_t>();
      witness.iou = number<float, std::uint32_t>();
    }
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
    track = {"track_id": "", "seen": 0, "looked": 0, "unseen_s": 0.0}
    place = dict.fromkeys(("azimuth", "elevation", "distance", "distance_min", "distance_max"), math.nan)
    point = {"has_ground_point": False, "ground_point": (0.0, 0.0, 0.0), "ground_covariance": (0.0,) * 9}
    answers, said = changes.pop("answers", 0), changes.pop("said", ("full", "What?", "a stone"))
    witnesses = [SimpleNamespace(way=w, score=s, iou=iou) for w, s, iou in changes.pop("witnesses", ())]
    values = {"witnesses": witnesses} | texts | dict.fromkeys(names, 0.5) | box | track | place | point | changes
    values["ground_point"] = SimpleNamespace(**dict(zip("xyz", values["ground_point"], strict=True)))
    mask["runs"] = np.array(mask["runs"], np.uint32)
    instance = SimpleNamespace(mask=SimpleNamespace(**mask), **values)
    models = {"skipped": [], "vlm": "", "segmenter": "", "grounder": "", "demonstration": False}
    models["answers"] = [SimpleNamespace(**dict(zip(("view", "question", "text"), said, strict=True)))] * answers
    return SimpleNamespace(image_width=size[0], image_height=size[1], instances=[instance] * copies, **models)


def as_line(m: Any) -> str:
    i = m.instances[0]
    names = ("score", "attention_score", "iou_score", "consistency_score", "certainty_score")
    floats = [bits(getattr(i, name)) for name in (*names, "x_min", "y_min", "x_max", "y_max")]
    region = [i.mask.x, i.mask.y, i.mask.width, i.mask.height, len(i.mask.runs), *i.mask.runs.tolist()]
    seconds = ("unseen_s", "azimuth", "elevation", "distance", "distance_min", "distance_max")
    track = [i.seen, i.looked, *(bits(getattr(i, name)) for name in seconds)]
    point = [bits(v, double=True) for v in (*vars(i.ground_point).values(), *i.ground_covariance)]
    said = vars(m.answers[0]).values() if m.answers else ("", "", "")
    label, track_id, *answer = ("_" + text.encode().hex() for text in (i.label, i.track_id, *said))
    size = [m.image_width, m.image_height, len(m.instances)]
    said = [w for one in i.witnesses for w in ("_" + one.way.encode().hex(), bits(one.score), bits(one.iou))]
    rest = [track_id, *track, int(i.has_ground_point), *point, len(m.answers), *answer, len(i.witnesses), *said]
    return " ".join(map(str, ["c", *size, label, *floats, *region, *rest]))


BOX = {"x_min": 0.0, "y_min": 0.0, "x_max": float(1 << 14), "y_max": float(1 << 14)}
LARGE = BOX | {"size": (1 << 14, 1 << 14), "x": 0, "y": 0, "width": 1 << 14, "height": 1 << 14, "runs": [0, 1 << 28]}
SEEN = {"azimuth": -0.2, "elevation": -0.1}
FAR = SEEN | {"distance": 15.0, "distance_min": 13.0, "distance_max": 18.0}
COVARIANCE = (1.0, 0.5, 0.0, 0.5, 2.0, -0.1, 0.0, -0.1, 3.0)
STANDS = FAR | {"has_ground_point": True, "ground_point": (3.0, 1.5, 14.6), "ground_covariance": COVARIANCE}
PI = float(np.float32(math.pi))


def covariance(*changes: tuple[int, float]) -> dict[str, Any]:
    """A place whose covariance has other entries."""
    changed = list(COVARIANCE)
    for entry, value in changes:
        changed[entry] = value
    return STANDS | {"ground_covariance": tuple(changed)}


THREE = [("attention", 0.0, 0.0), ("grounder", 0.5, 0.25), ("native", 1.0, 1.0)]
GOOD = [
    message(),
    message(witnesses=THREE),
    message(witnesses=THREE[::-1]),
    message(copies=1000),
    message(score=0.0, iou_score=1.0),
    message(x=6, y=4, x_min=6.0, y_min=4.0, x_max=12.0, y_max=10.0),
    message(x=0, y=0, width=0, height=0, runs=[], x_max=3.0),
    message(runs=[36], y_max=2.0),
    message(x_min=2.0, y_min=3.0, x_max=8.5, y_max=9.0),
    message(x=0, y=0, width=12, height=10, runs=[51, 2, 67], x_min=5.0, y_min=1.0, x_max=6.0, y_max=3.0),
    message(label=" a \u2764\ufe0f"),
    message(label="\u0378\U0001faea"),
    message(label="ölfass 日本 ‰ – “a”"),
    message(label="x" * 128),
    message(label="日" * 128),
    message(runs=[1, 34, 1]),
    message(track_id="t1", seen=3, looked=5, unseen_s=0.25),
    message(track_id="日" * 64, seen=2**32 - 1, looked=2**32 - 1),
    message(**SEEN),
    message(azimuth=PI, elevation=-float(np.float32(math.pi / 2))),
    message(**FAR),
    message(**FAR | {"distance_max": math.inf}),
    message(**SEEN, distance=0.0, distance_min=0.0, distance_max=0.0),
    message(**STANDS),
    message(**covariance((1, 0.5 + 1e-9))),
    message(**STANDS | {"ground_covariance": (0.0,) * 9}),
    message(ground_point=(math.nan, 0.0, 0.0), ground_covariance=(-1.0,) * 9),
    message(answers=1000),
    message(answers=1, said=("", "", "日" * 500)),
]
BAD = [
    message(**LARGE, copies=2),
    *(message(witnesses=[("native", *said)]) for said in ((math.nan, 0.5), (0.5, 1.5), (-0.1, 0.5), (0.5, -math.inf))),
    *(message(witnesses=[(way, 0.5, 0.5)]) for way in ("", "guess", "attention+native", "Native")),
    message(witnesses=THREE[:1] * 2),
    message(witnesses=[*THREE, THREE[1]]),
    message(size=(1 << 14, (1 << 14) + 1)),
    message(size=(0xFFFFFFFF, 0xFFFFFFFF)),
    message(copies=1001),
    *(message(**{name: value}) for name in ("score", "certainty_score") for value in (math.nan, math.inf, -0.1, 1.1)),
    *(message(attention_score=-1.0), message(iou_score=2.0), message(consistency_score=math.nan)),
    *(message(**{edge: value}) for edge in ("x_min", "y_max") for value in (math.nan, math.inf, -1.0, 12.5)),
    message(x_min=9.0, x_max=3.0),
    message(x=7),
    message(y=5),
    message(x_min=1.5),
    message(y_min=3.5),
    message(x_max=7.5),
    message(y_max=9.5),
    message(x=0, y=0, width=0, height=0, runs=[]),
    message(runs=[36]),
    message(x=0, y=0, width=12, height=10, runs=[51, 2, 67]),
    message(x=0xFFFFFFFF),
    message(runs=[0, 35]),
    message(runs=[0, 37]),
    message(runs=[0xFFFFFFFF] * 3),
    message(runs=[0] * 40 + [36]),
    *(message(track_id=track_id) for track_id in ("x" * 65, "日" * 65, "a\x1b", "a\u202e")),
    message(seen=2, looked=1),
    *(message(unseen_s=value) for value in (-0.1, math.nan, math.inf)),
    *(message(**SEEN | {name: value}) for name in SEEN for value in (math.nan, math.inf, 4.0, -4.0)),
    message(**SEEN | {"elevation": 1.6}),
    message(**FAR | dict.fromkeys(SEEN, math.nan)),
    *(message(**FAR | {name: math.nan}) for name in ("distance", "distance_min", "distance_max")),
    message(**FAR | {"distance": 12.9}),
    message(**FAR | {"distance": 18.1}),
    message(**FAR | {"distance_min": -0.1}),
    message(**FAR | {"distance": math.inf, "distance_max": math.inf}),
    message(**STANDS | dict.fromkeys(("distance", "distance_min", "distance_max"), math.nan)),
    *(message(**STANDS | {"ground_point": (1.0, value, 9.0)}) for value in (math.nan, math.inf)),
    *(message(**covariance((entry, value))) for entry in (1, 4) for value in (math.nan, math.inf, -1.0)),
    message(**covariance((5, -0.2))),
    message(answers=1001),
    *(message(answers=1, said=said) for said in (("", "", "x" * 501), ("", "日" * 501, ""), ("a\nb", "", ""))),
    *(message(label=label) for label in ("", " ", "\u3164", " \u115f\ufe0f\u2800 ", "x" * 129, "日" * 129)),
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


def test_the_same_code_points_are_taken(program: Path) -> None:
    behind, alone = answers(program, ["u"])
    for before, line in (("a", behind), ("", alone)):
        assert [hex(n) for n in range(0x110000) if shows(before + chr(n)) != (line[n] == "1")] == []


NO_UTF8 = {
    "no lead": b"a\xff",
    "lone continuation": b"a\x80",
    "overlong": b"a\xc0\x9b",
    "overlong of three": b"a\xe0\x80\xaf",
    "overlong of four": b"a\xf0\x80\x80\xaf",
    "surrogate": b"a\xed\xa0\x80",
    "beyond the last": b"a\xf4\x90\x80\x80",
    "cut short": "a日".encode()[:-1],
    "cut by a letter": b"\xe6\x97a",
    "a million continuations": b"a" + b"\x80" * 1_000_000,
    "a million letters": b"a" * 1_000_000,
}


def test_labels_that_are_no_utf8_are_refused(program: Path) -> None:
    lines = [f"l _{data.hex()}" for data in (*NO_UTF8.values(), b"a", "日".encode() * 128, "\U0001f600".encode() * 128)]
    assert answers(program, lines) == ["0"] * len(NO_UTF8) + ["1"] * 3


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
