"""Start the detector, and with `bag:=` a recording for it to look at.

    ros2 launch vlsam_ros detector.launch.py
    ros2 launch vlsam_ros detector.launch.py profile:=desktop image_topics:=/front/image,/left/image
    ros2 launch vlsam_ros detector.launch.py bag:=sample_bag rate:=0.2 exit_after_bag:=true

The player waits until the detector has loaded its models. The detector goes by the wall clock, or, with
`use_sim_time:=true`, by the recording's, which the player then publishes on /clock.
"""

from __future__ import annotations

from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch.actions import DeclareLaunchArgument, LogInfo, OpaqueFunction, Shutdown
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from launch import LaunchContext, LaunchDescription

PACKAGE = "vlsam_ros"
PROFILES = ("embedded", "desktop", "sam3", "apache", "server", "jetson", "paper")
PATIENCE_S = "86400"
"""How long a detector may work on what is queued (`node.queue_all`) before it is ended by force."""

ARGUMENTS = (
    DeclareLaunchArgument(
        "profile",
        default_value="embedded",
        description=f"Models and options: {', '.join(PROFILES)} (see config/), or the path of a parameter file. "
        "The embedded models know a rendered world only",
    ),
    DeclareLaunchArgument(
        "image_topics",
        default_value="",
        description="Camera topics, separated by commas; empty: those of the profile",
    ),
    DeclareLaunchArgument(
        "transport",
        default_value="",
        choices=["", "auto", "raw", "compressed"],
        description="Type of the image messages; empty: that of the profile; auto: as they are published",
    ),
    DeclareLaunchArgument(
        "bag",
        default_value="",
        description="Recording to replay: a rosbag2 folder, or sample_bag, which comes with the package; empty: none",
    ),
    DeclareLaunchArgument("rate", default_value="1.0", description="Replay this many times as fast as recorded"),
    DeclareLaunchArgument(
        "exit_after_bag",
        default_value="false",
        choices=["true", "false"],
        description="Stop everything when the recording has ended, and the detector has done what is queued",
    ),
    DeclareLaunchArgument(
        "use_sim_time",
        default_value="false",
        choices=["true", "false"],
        description="Go by /clock, which a replay then publishes",
    ),
    DeclareLaunchArgument(
        "autostart",
        default_value="",
        choices=["", "true", "false"],
        description="Load the models and become active at once, or wait for `ros2 lifecycle`; empty: by the profile",
    ),
    DeclareLaunchArgument("namespace", default_value="", description="Namespace of the detector"),
    DeclareLaunchArgument(
        "log_level",
        default_value="info",
        choices=["debug", "info", "warn", "error", "fatal"],
        description="Least severity of log messages",
    ),
)


def profile_path(profile: str) -> Path:
    """The parameter file of a profile's name or path.

    Raises:
        FileNotFoundError: neither.
    """
    named = Path(get_package_share_directory(PACKAGE)) / "config" / f"{profile}.yaml"
    path = named if profile in PROFILES else Path(profile).expanduser().resolve()
    if not path.is_file():
        raise FileNotFoundError(f"profile:={profile}: expected one of {', '.join(PROFILES)} or a file; no {path}")
    return path


def nodes(context: LaunchContext) -> list[Node | LogInfo]:
    """The detector, and the player if there is a recording."""
    value = {name: LaunchConfiguration(name).perform(context).strip() for name in (a.name for a in ARGUMENTS)}
    topics = [topic.strip() for topic in value["image_topics"].split(",") if topic.strip()]
    simulated = value["use_sim_time"] == "true"
    given = {"node.image_topics": topics, "node.transport": value["transport"], "use_sim_time": simulated}
    given = {name: option for name, option in given.items() if option}
    if value["autostart"]:
        given["node.autostart"] = value["autostart"] == "true"
    if value["bag"] and not simulated:
        given["node.max_age_s"] = 0.0  # its images are as old as the recording
    exit_after = bool(value["bag"]) and value["exit_after_bag"] == "true"
    profile = profile_path(value["profile"])
    detector = Node(
        package=PACKAGE,
        executable="detector",
        name="vlsam_detector",
        namespace=value["namespace"],
        parameters=[str(profile), given],
        ros_arguments=["--log-level", value["log_level"]],
        output="screen",
        emulate_tty=True,
        on_exit=Shutdown(reason="the detector has ended"),
        **({"sigterm_timeout": PATIENCE_S, "sigkill_timeout": PATIENCE_S} if exit_after else {}),
    )
    started: list[Node | LogInfo] = [LogInfo(msg=f"detector with {profile}"), detector]
    if value["bag"]:
        started.append(player(recording(value["bag"]), value["rate"], simulated, exit_after))
    return started


def recording(bag: str) -> Path:
    """The recording of a path, or of the name of one that comes with the package.

    Raises:
        FileNotFoundError: neither.
    """
    path = Path(bag).expanduser().resolve()
    shared = Path(get_package_share_directory(PACKAGE)) / bag
    found = next((place for place in (path, shared) if place.exists()), None)
    if found is None:
        raise FileNotFoundError(f"bag:={bag}: no such recording; no {path}, and no {shared}")
    return found


def player(bag: Path, rate: str, clock: bool, exit_after: bool) -> Node:
    """Our own bag player, since `ros2 bag` may not be installed. Who waits for the end wants every frame: reliable."""
    more = [*(["--clock"] if clock else []), *(["--reliable"] if exit_after else [])]
    return Node(
        package=PACKAGE,
        executable="bag_player",
        name="bag_player",
        arguments=[str(bag), "--rate", rate, "--wait-for-subscribers", "1", *more],
        output="screen",
        emulate_tty=True,
        on_exit=Shutdown(reason="the recording has ended") if exit_after else None,
    )


def generate_launch_description() -> LaunchDescription:
    """What `ros2 launch` runs."""
    return LaunchDescription([*ARGUMENTS, OpaqueFunction(function=nodes)])
