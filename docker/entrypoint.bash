#!/usr/bin/env bash
# Gives the command ROS 2 and the workspace, and its own place: signals reach it, its exit code is the container's.
set -eo pipefail # no -u: ROS's set-up scripts read variables that may be unset
# shellcheck source=/dev/null
source "/opt/ros/${ROS_DISTRO:?}/setup.bash"
# shellcheck source=/dev/null
source /opt/vlsam_ros/setup.bash
exec "$@"
