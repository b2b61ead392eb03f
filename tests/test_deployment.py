"""Images, compose file, workflow, service and Fast DDS profile: linted, and right where no linter looks."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

from vlsam_ros.config import Config, profile_path

ROOT = Path(__file__).resolve().parents[1]
IMAGES = sorted((ROOT / "docker").glob("*.Dockerfile"))
COMPOSE = ROOT / "docker" / "compose.yaml"
WORKFLOW = ROOT / ".github" / "workflows" / "ci.yaml"
SERVICE = ROOT / "docs" / "vlsam-detector.service"
PROFILE = ROOT / "docs" / "fastdds.xml"


def lint(tool: str, *args: object) -> None:
    """Runs `tool` if it is installed; what it says is the failure."""
    if not shutil.which(tool):
        pytest.skip(f"{tool} is not installed")
    done = subprocess.run([tool, *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("image", IMAGES, ids=lambda p: p.name)
def test_hadolint(image: Path) -> None:
    lint("hadolint", "-c", ROOT / "docker" / "hadolint.yaml", image)


@pytest.mark.parametrize("script", sorted((ROOT / "docker").glob("*.bash")), ids=lambda p: p.name)
def test_shellcheck(script: Path) -> None:
    assert script.stat().st_mode & 0o111, "not executable"
    lint("shellcheck", script)


@pytest.mark.parametrize(
    "schema, path",
    [
        ("vendor.compose-spec", COMPOSE),
        ("vendor.github-workflows", WORKFLOW),
        ("custom.github-workflows-require-timeout", WORKFLOW),
    ],
)
def test_schema(schema: str, path: Path) -> None:
    lint("check-jsonschema", "--builtin-schema", schema, path)


def instructions(image: Path) -> list[list[str]]:
    """A Dockerfile's instructions with their arguments, continued lines joined."""
    text = re.sub(r"\\\n", " ", re.sub(r"^\s*#.*\n", "", image.read_text(), flags=re.M))
    return [line.split() for line in text.splitlines() if line.strip()]


@pytest.mark.parametrize("image", IMAGES, ids=lambda p: p.name)
def test_image(image: Path) -> None:
    found = instructions(image)
    stages = {words[3] for words in found if words[0] == "FROM" and len(words) == 4}
    outside = [words[1] for words in found if words[0] == "FROM" and words[1] not in stages]
    assert len(outside) == 1 and ":" in outside[0] and not outside[0].endswith(":latest")
    last = found[max(i for i, words in enumerate(found) if words[0] == "FROM") :]
    assert ["USER", "$UID"] in last and ["STOPSIGNAL", "SIGINT"] in last, "not root, and the node's own signal"
    assert {"HEALTHCHECK", "ENTRYPOINT", "VOLUME"} <= {words[0] for words in last}
    copied = [words[1:-1] for words in found if words[0] == "COPY" and not words[1].startswith("--from")]
    for path in (path for paths in copied for path in paths):
        assert (ROOT / path).exists(), path


def test_one_image_per_real_profile_is_its_default_command() -> None:
    for image in IMAGES:
        machine = image.name.removesuffix(".Dockerfile")
        assert f'"profile:={machine}"]' in instructions(image)[-1]
        assert (ROOT / "config" / f"{machine}.yaml").is_file()


def test_images_are_built_without_what_git_ignores() -> None:
    ignored = set((ROOT / ".dockerignore").read_text().split())
    for pattern in (".venv", "build", "install", "log", "data", "runs", "demo_output"):
        assert pattern in ignored, pattern


def test_compose_starts_a_whole_chain_for_each_profile() -> None:
    services = yaml.safe_load(COMPOSE.read_text())["services"]
    started = {p: {n for n, s in services.items() if p in s["profiles"]} for p in ("camera", "bag", "server")}
    assert started == {
        "camera": {"camera", "detector", "foxglove"},
        "bag": {"replay", "foxglove"},
        "server": {"camera", "vllm", "served", "foxglove"},
    }
    for name, service in services.items():
        assert service["ipc"] == service["network_mode"] == "host", name
        assert service["stop_signal"] == "SIGINT" and service["init"], name
    launch = (ROOT / "launch" / "detector.launch.py").read_text()
    commands = [word for name in ("detector", "replay", "served") for word in services[name]["command"]]
    for argument in re.findall(r"(\w+):=", " ".join(commands)):
        assert f'"{argument}"' in launch, f"the launch file has no {argument}"


def test_compose_serves_what_the_profile_asks_for() -> None:
    services = yaml.safe_load(COMPOSE.read_text())["services"]
    served, vllm = services["served"], services["vllm"]
    url, _, model = Config.from_file(profile_path("server")).vlm.model.removeprefix("openai:").partition("#")
    told = dict(word.removeprefix("--").split("=") for word in vllm["command"])
    assert url == f"http://{told['host']}:{told['port']}/v1" and model == told["model"]
    assert told["host"] == "127.0.0.1", "without a key, for this machine only"
    assert vllm["healthcheck"]["test"][-1] == url.removesuffix("/v1") + "/health"
    assert served["depends_on"] == {"vllm": {"condition": "service_healthy"}}
    assert re.fullmatch(r"vllm/vllm-openai:\$\{VLLM:-v\d+\.\d+\.\d+\}", vllm["image"]), "a version"
    assert served["environment"].keys() >= services["detector"]["environment"].keys()


def test_workflow_has_least_rights_pins_actions_and_goes_over_the_distributions() -> None:
    workflow = yaml.safe_load(WORKFLOW.read_text())
    assert workflow["permissions"] == {"contents": "read"}
    ros = workflow["jobs"]["ros"]
    assert ros["strategy"] == {"fail-fast": False, "matrix": {"distro": ["humble", "jazzy", "lyrical"]}}
    used = [step["uses"] for job in workflow["jobs"].values() for step in job["steps"] if "uses" in step]
    assert used and all(re.fullmatch(r"actions/[\w-]+@v\d+", name) for name in used)
    for job in workflow["jobs"].values():
        for step in job["steps"]:
            subprocess.run(["bash", "-n"], input=step.get("run", ""), text=True, check=True)


def test_service_outlives_its_models_and_ends_by_the_nodes_signal() -> None:
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(SERVICE)
    service = unit["Service"]
    assert (service["KillSignal"], service["KillMode"], service["OOMPolicy"]) == ("SIGINT", "mixed", "continue")
    assert service["Restart"] == "on-failure" and service["RestartPreventExitStatus"] == "2"
    script = re.fullmatch(r"/bin/bash -c '(.*)'", service["ExecStart"])
    assert script and "&& exec " in script[1] and "/lib/vlsam_ros/detector" in script[1]
    subprocess.run(["bash", "-n"], input=script[1], text=True, check=True)


def test_service_is_what_systemd_takes() -> None:
    lint("systemd-analyze", "verify", SERVICE)


def test_shared_memory_holds_several_raw_frames_and_network_stays() -> None:
    space = {"d": "http://www.eprosima.com"}
    root = ElementTree.parse(PROFILE).getroot()
    transports = {t.findtext("d:type", "", space): t for t in root.iterfind(".//d:transport_descriptor", space)}
    assert transports.keys() == {"SHM", "UDPv4"}
    assert int(transports["SHM"].findtext("d:segment_size", "0", space)) >= 8 * 1920 * 1080 * 3
    defined = {t.findtext("d:transport_id", "", space) for t in transports.values()}
    used = {t.text for t in root.iterfind(".//d:userTransports/d:transport_id", space)}
    assert used == defined
