# Source this in bash (`. tools/env.sh`) to run `python -m vlsam_ros...` by hand, after `make build`.
# Gives this clone's venv, ROS 2 and messages, and nothing of another ROS that the shell may have sourced before.

_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
_venv=$_root/.venv

# The entries of a path list that belong to no other ROS workspace.
_without_ros() {
    tr : '\n' <<<"$1" | grep -vF -e /opt/ros/ -f <(tr : '\n' <<<"${AMENT_PREFIX_PATH:-/opt/ros/}") | paste -sd: || true
}
_path=$(_without_ros "$PATH")
_libraries=$(_without_ros "${LD_LIBRARY_PATH:-}")
unset AMENT_PREFIX_PATH CMAKE_PREFIX_PATH COLCON_PREFIX_PATH PYTHONPATH PYTHONHOME ROS_DISTRO

export VIRTUAL_ENV=$_venv PATH=$_venv/bin:$_path
# What the ROS wheels' start-up hook would set by starting Python twice.
LD_LIBRARY_PATH=$_venv/lib:$(printf '%s\n' "$_venv"/lib/python3.*/site-packages/ros_*.libs | paste -sd:)${_libraries:+:$_libraries}
export LD_LIBRARY_PATH _ROS_WHEELS_BOOTSTRAP_COMPLETE=1
# Logs, caches and settings stay in the clone; the wheels bring one middleware.
export ROS_LOG_DIR=$_root/log/ros COLCON_HOME=$_root/log/colcon COLCON_LOG_PATH=$_root/log
export MPLCONFIGDIR=$_root/log/matplotlib RMW_IMPLEMENTATION=rmw_fastrtps_cpp

# ROS's set-up scripts read variables that may be unset.
case $- in *u*) _strict=u ;; *) _strict= ;; esac
set +u
if [ -f "$_root/install/setup.bash" ]; then . "$_root/install/setup.bash"; fi
if [ -n "$_strict" ]; then set -u; fi

# The wheels' own packages, for ament_index and for find_package in a C++ package built on this one.
export AMENT_PREFIX_PATH=${AMENT_PREFIX_PATH:+$AMENT_PREFIX_PATH:}$_venv
export CMAKE_PREFIX_PATH=${CMAKE_PREFIX_PATH:+$CMAKE_PREFIX_PATH:}$_venv
export PYTHONPATH=$_root${PYTHONPATH:+:$PYTHONPATH} # edits to vlsam_ros/ count without a build
unset _root _venv _path _libraries _strict
unset -f _without_ros
