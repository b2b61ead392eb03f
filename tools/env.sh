# Source this in bash (`. tools/env.sh`) to run `python -m vlsam_ros...` by hand, after `make build`.
# Gives this clone's venv, ROS 2 and messages, and nothing of another ROS that the shell may have sourced before.

_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
unset AMENT_PREFIX_PATH CMAKE_PREFIX_PATH COLCON_PREFIX_PATH PYTHONPATH PYTHONHOME ROS_DISTRO
export VIRTUAL_ENV=$_root/.venv
case ":$PATH:" in *":$VIRTUAL_ENV/bin:"*) ;; *) PATH=$VIRTUAL_ENV/bin:$PATH ;; esac

# What the ROS wheels' start-up hook would set by starting Python twice.
LD_LIBRARY_PATH=$(printf '%s\n' "$VIRTUAL_ENV"/lib/python3.*/site-packages/ros_*.libs | paste -sd:)
export LD_LIBRARY_PATH=$VIRTUAL_ENV/lib:$LD_LIBRARY_PATH _ROS_WHEELS_BOOTSTRAP_COMPLETE=1

# Logs, caches and settings stay in the clone.
export ROS_LOG_DIR=$_root/log/ros COLCON_HOME=$_root/log/colcon COLCON_LOG_PATH=$_root/log
export MPLCONFIGDIR=$_root/build/matplotlib RMW_IMPLEMENTATION=rmw_fastrtps_cpp

# ROS's set-up scripts read variables that may be unset.
case $- in *u*) _strict=u; set +u ;; *) _strict= ;; esac
if [ -f "$_root/install/setup.bash" ]; then
    AMENT_TRACE_SETUP_FILES= AMENT_PYTHON_EXECUTABLE=$VIRTUAL_ENV/bin/python . "$_root/install/setup.bash"
fi
# The wheels' own packages, for ament_index and for find_package in a C++ package built on this one.
export AMENT_PREFIX_PATH=${AMENT_PREFIX_PATH:+$AMENT_PREFIX_PATH:}$VIRTUAL_ENV
export CMAKE_PREFIX_PATH=${CMAKE_PREFIX_PATH:+$CMAKE_PREFIX_PATH:}$VIRTUAL_ENV
export PYTHONPATH=$_root${PYTHONPATH:+:$PYTHONPATH} # edits to vlsam_ros/ count without a build
if [ -n "$_strict" ]; then set -u; fi
unset _root _strict
