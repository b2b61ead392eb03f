#!/usr/bin/env bash
# Healthy: a heartbeat of a camera came within 10 s. What it says of the camera is for planners and /diagnostics.
set -eo pipefail
exec /usr/local/bin/entrypoint.bash timeout 10 ros2 topic echo --once --no-daemon \
    "${HEALTH_TOPIC:-/vlsam_detector/health}" vlsam_ros/msg/DetectorHealth
