"""The package as ROS sees it: manifest, build, messages, executables, and the C++ decoder against Python's."""

from __future__ import annotations

import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

import vlsam_ros
from vlsam_ros import errors
from vlsam_ros.output.rle import RoiMask, decode, encode, paste

ROOT = Path(__file__).resolve().parents[1]
MESSAGES = sorted((ROOT / "msg").glob("*.msg"))

# Keys looked up in rosdistro's rosdep/python.yaml, and packages released into Humble, Jazzy and Lyrical.
ROSDEP_KEYS = {"python3-numpy", "python3-opencv", "python3-pytest", "python3-yaml"}
ROS_PACKAGES = {
    *("ament_cmake", "ament_cmake_python", "ament_cmake_pytest", "ament_index_python"),
    *("rosidl_default_generators", "rosidl_default_runtime", "rclpy", "cv_bridge", "launch", "launch_ros"),
    *("builtin_interfaces", "diagnostic_msgs", "geometry_msgs", "rcl_interfaces", "rosgraph_msgs"),
    *("lifecycle_msgs", "sensor_msgs", "std_msgs", "std_srvs"),
}


@pytest.fixture(scope="module")
def manifest() -> ET.Element:
    return ET.parse(ROOT / "package.xml").getroot()


@pytest.fixture(scope="module")
def cmake() -> str:
    return (ROOT / "CMakeLists.txt").read_text()


def dependencies(manifest: ET.Element) -> set[str]:
    return {element.text or "" for element in manifest if element.tag.endswith("depend")}


def test_manifest(manifest: ET.Element) -> None:
    assert manifest.tag == "package" and manifest.get("format") == "3"
    assert manifest.findtext("name") == "vlsam_ros"
    assert manifest.findtext("version") == vlsam_ros.__version__
    assert manifest.findtext("member_of_group") == "rosidl_interface_packages"
    assert manifest.findtext("export/build_type") == "ament_cmake"
    license = manifest.find("license")
    assert license is not None and (ROOT / license.get("file", "")).is_file()


def test_manifest_names_exist(manifest: ET.Element) -> None:
    assert dependencies(manifest) <= ROSDEP_KEYS | ROS_PACKAGES


def test_manifest_covers_cmake(manifest: ET.Element, cmake: str) -> None:
    assert set(re.findall(r"find_package\((\w+)", cmake)) <= dependencies(manifest)


def test_manifest_covers_imports(manifest: ET.Element) -> None:
    sources = "\n".join(path.read_text() for path in (ROOT / "vlsam_ros").rglob("*.py"))
    imported = set(re.findall(r"^\s*(?:from|import) (\w+)", sources, re.MULTILINE))
    assert imported & ROS_PACKAGES <= dependencies(manifest)


def test_cmake_lists_messages(cmake: str) -> None:
    assert set(re.findall(r'"msg/(\w+)\.msg"', cmake)) == {path.stem for path in MESSAGES}
    used = {package for path in MESSAGES for package in re.findall(r"^(\w+)/", path.read_text(), re.MULTILINE)}
    listed = re.search(r"DEPENDENCIES ([\w ]+)\n", cmake)
    assert listed is not None and set(listed[1].split()) == used


@pytest.mark.parametrize("path", MESSAGES, ids=lambda path: path.stem)
def test_fields_are_commented(path: Path) -> None:
    lines = path.read_text().splitlines()
    fields = [i for i, line in enumerate(lines) if re.fullmatch(r"[\w/]+(\[\d*\])? [a-z]\w*", line)]
    assert fields
    assert [lines[i] for i in fields if not lines[i - 1].startswith("# ")] == []


def constants(message: str) -> dict[str, int]:
    text = (ROOT / "msg" / f"{message}.msg").read_text()
    return {name: int(value) for name, value in re.findall(r"^uint8 (\w+)=(\d+)$", text, re.MULTILINE)}


def test_status_codes_are_those_of_errors() -> None:
    status = constants("DetectedInstanceArray")
    results = {"STATUS_OK": errors.OK, "STATUS_PARTIAL": errors.PARTIAL, "STATUS_UNFAMILIAR": errors.UNFAMILIAR}
    assert {name: status.pop(name) for name in results} == results and not any(map(errors.failed, results.values()))
    assert all(map(errors.failed, status.values()))
    codes = {
        value.status
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, errors.VlsamError)
    }
    assert codes == set(status.values()) - {status["STATUS_STALE"]}


def test_hazard_classes_are_autowares() -> None:
    names = "UNKNOWN CAR TRUCK BUS TRAILER MOTORCYCLE BICYCLE PEDESTRIAN ANIMAL HAZARD OVER_DRIVABLE UNDER_DRIVABLE"
    assert constants("DetectedInstance") == {name: i for i, name in enumerate(names.split())}


@pytest.mark.parametrize("name", ["detector", "bag_player"])
def test_executables(name: str, cmake: str) -> None:
    path = ROOT / "scripts" / name
    assert path.stat().st_mode & 0o111 and f"scripts/{name}" in cmake
    text = path.read_text()
    assert text.startswith("#!/usr/bin/env python3\n")
    module = re.search(r"from (vlsam_ros\S+) import main", text)
    assert module is not None and (ROOT / f"{module[1].replace('.', '/')}.py").is_file()


def test_built_package() -> None:
    pytest.importorskip("vlsam_ros.msg", reason="messages are not built")
    from ament_index_python import get_package_prefix

    prefix = Path(get_package_prefix("vlsam_ros"))
    for path in ("lib/vlsam_ros/detector", "lib/vlsam_ros/bag_player"):
        assert (prefix / path).is_file()
    for path in (ROOT / "include").rglob("*.hpp"):
        assert (prefix / "include/vlsam_ros" / path.relative_to(ROOT / "include")).is_file()
    for path in (path for folder in ("launch", "config") for path in (ROOT / folder).glob("*.*")):
        assert (prefix / "share/vlsam_ros" / path.relative_to(ROOT)).is_file()


# --- C++

STAND_IN = "struct Mask { std::uint32_t x{}, y{}, width{}, height{}; std::vector<std::uint32_t> runs; };"
MESSAGE = "#include <vlsam_ros/msg/instance_mask.hpp>\nusing Mask = vlsam_ros::msg::InstanceMask;"
# Reads `image_width image_height x y width height n run...`, writes area, region and image, or the error.
PROGRAM = """
#include <vlsam_ros/mask.hpp>
#include <iostream>
%s
int main()
{
  std::size_t width, height, n;
  Mask mask;
  while (std::cin >> width >> height >> mask.x >> mask.y >> mask.width >> mask.height >> n) {
    mask.runs.resize(n);
    for (auto & run : mask.runs) {std::cin >> run;}
    std::vector<std::uint8_t> roi, image(width * height);
    try {
      vlsam_ros::decode_mask(mask, roi);
      vlsam_ros::paste_mask(mask, image, width, height, 1);
      std::cout << vlsam_ros::mask_area(mask) << " r";
      for (int value : roi) {std::cout << value;}
      std::cout << " i";
      for (int value : image) {std::cout << value;}
      std::cout << "\\n";
    } catch (const std::invalid_argument & error) {
      std::cout << "error: " << error.what() << "\\n";
    }
  }
}
"""


def run(*command: str | Path, text: str = "") -> str:
    done = subprocess.run([str(part) for part in command], input=text, text=True, capture_output=True)
    assert done.returncode == 0, f"{command[0]} failed:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def as_text(size_hw: tuple[int, int], x: int, y: int, width: int, height: int, runs: list[int]) -> str:
    return " ".join(map(str, [size_hw[1], size_hw[0], x, y, width, height, len(runs), *runs])) + "\n"


def of(roi_mask: RoiMask, size_hw: tuple[int, int]) -> str:
    return as_text(size_hw, roi_mask.x, roi_mask.y, roi_mask.width, roi_mask.height, roi_mask.runs.tolist())


def digits(mask: np.ndarray) -> str:
    return "".join(map(str, mask.astype(int).ravel()))


@pytest.fixture(scope="module")
def decoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program, compiled without ROS."""
    compiler = shutil.which("c++") or shutil.which("g++")
    if compiler is None:
        pytest.skip("no C++ compiler")
    folder = tmp_path_factory.mktemp("decoder")
    (folder / "main.cpp").write_text(PROGRAM % STAND_IN)
    flags = ("-std=c++17", "-O1", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror", "-I", ROOT / "include")
    run(compiler, *flags, folder / "main.cpp", "-o", folder / "decoder")
    return folder / "decoder"


def test_cpp_decodes_as_python(decoder: Path) -> None:
    rng = np.random.default_rng(0)
    sizes = rng.integers(1, 20, (40, 2))
    masks = [rng.random((h, w)) < share for (h, w), share in zip(sizes, np.linspace(0, 1, 40), strict=True)]
    lines = run(decoder, text="".join(of(encode(mask), mask.shape) for mask in masks)).splitlines()
    for mask, line in zip(masks, lines, strict=True):
        roi_mask = encode(mask)
        np.testing.assert_array_equal(paste(roi_mask, mask.shape), mask)
        assert line == f"{mask.sum()} r{digits(decode(roi_mask))} i{digits(mask)}"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        pytest.param((0, 0, 2, 2, [1, 2]), "sum to 3, expected 2 x 2 = 4", id="too_short"),
        pytest.param((0, 0, 2, 2, [1, 9]), "sum to more than 4, expected 2 x 2 = 4", id="too_long"),
        pytest.param((0, 0, 2, 2, [0xFFFFFFFF] * 3), "sum to more than 4", id="sum_beyond_32_bit"),
        pytest.param((0, 0, 65536, 65536, []), "65536 x 65536 px, expected at most", id="product_beyond_32_bit"),
        pytest.param((3, 0, 2, 2, [0, 4]), "2 x 2 at (3, 0) does not fit the image of 4 x 4", id="outside"),
        pytest.param((0xFFFFFFFF, 0, 2, 2, [0, 4]), "does not fit", id="offset_beyond_32_bit"),
        pytest.param((0, 0, 0, 3, []), "", id="no_columns"),
    ],
)
def test_cpp_refuses_malformed_masks(decoder: Path, fields: tuple, message: str) -> None:
    output = run(decoder, text=as_text((4, 4), *fields))
    assert (output.startswith("error: ") and message in output) if message else output == f"0 r i{'0' * 16}\n"


def test_cpp_package_finds_the_decoder(tmp_path: Path) -> None:
    """What a planner does: find_package, link the decoder and the messages, decode a real message."""
    pytest.importorskip("vlsam_ros.msg", reason="messages are not built")
    if shutil.which("cmake") is None:
        pytest.skip("no CMake")
    (tmp_path / "main.cpp").write_text(PROGRAM % MESSAGE)
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.8)\nproject(planner CXX C)\nfind_package(vlsam_ros REQUIRED)\n"
        "add_executable(planner main.cpp)\n"
        "target_link_libraries(planner vlsam_ros::mask ${vlsam_ros_TARGETS})\n"
    )
    run("cmake", "-S", tmp_path, "-B", tmp_path / "build")
    run("cmake", "--build", tmp_path / "build")
    mask = np.eye(5, dtype=bool)
    assert run(tmp_path / "build/planner", text=of(encode(mask), (5, 5))) == f"5 r{digits(mask)} i{digits(mask)}\n"
