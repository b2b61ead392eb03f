#!/usr/bin/env bash
# Set-up and build, each skipped when nothing it depends on has changed. Called by the Makefile:
#   tools/setup.sh venv     .venv with ROS 2 Jazzy from wheels and everything in requirements.txt
#   tools/setup.sh build    the above, then messages and package into build/ install/ log/
# Only this clone is written. A stamp is written last, so an interrupted step is done again.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
venv=$root/.venv
python=${PYTHON:-python3}

say() { printf '[vlsam_ros] %s\n' "$*"; }
fail() { printf '[vlsam_ros] error: %s\n' "$*" >&2; exit 1; }

# One set-up at a time in a clone; the lock goes with the process.
exec 9<"${BASH_SOURCE[0]}"
if command -v flock >/dev/null && ! flock -n 9; then
    say "waiting for another set-up in this clone"
    flock 9
fi

check_machine() {
    [ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] ||
        fail "the ROS 2 wheels are for Linux x86_64, this is $(uname -s) $(uname -m): use ROS 2 from apt, see README.md"
    local missing=()
    command -v "$python" >/dev/null || fail "$python not found: apt install python3, or make PYTHON=/path/to/python3"
    "$python" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' ||
        fail "Python 3.10, 3.11 or 3.12 needed, $python is $("$python" -V): make PYTHON=python3.12"
    "$python" -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
    "$python" -c 'import os, sys, sysconfig; sys.exit(not os.path.exists(sysconfig.get_paths()["include"] + "/Python.h"))' ||
        missing+=(python3-dev)
    command -v "${CXX:-g++}" >/dev/null || missing+=(g++)
    command -v "${CC:-gcc}" >/dev/null || missing+=(gcc)
    command -v cmake >/dev/null || missing+=(cmake)
    command -v make >/dev/null || missing+=(make)
    [ ${#missing[@]} = 0 ] || fail "missing, install first: apt install ${missing[*]}"
}

check_disk() {
    local free_gb=$(($(df -Pk "$root" | awk 'NR == 2 {print $4}') / 1000000))
    [ "$free_gb" -ge 10 ] || say "warning: $free_gb GB free here, set-up takes up to 10 GB on the way and leaves 6 GB"
}

# The interpreter and the clone's path are written into the venv and the build, so they are part of the key. Installed
# files are links, so of most only the names matter; Python files are read from the clone and need no build at all.
venv_key() {
    { echo "$root"; "$python" -c 'import sys; print(sys.version, sys.base_prefix)'; cat requirements.txt; } | sha256sum
}
build_key() {
    {
        venv_key
        cat CMakeLists.txt package.xml msg/*.msg
        find include scripts $(ls -d launch config 2>/dev/null) -type f ! -name '*.pyc' | sort
    } | sha256sum
}
done_with() { [ "$(cat "$1" 2>/dev/null)" = "$2" ]; }

make_venv() {
    local key
    key=$(venv_key)
    if done_with "$venv/.done" "$key"; then return; fi
    check_machine
    check_disk
    local start=$SECONDS
    # An interrupted installation can leave half a package that pip takes for a whole one: start again.
    if [ -e "$venv/.unfinished" ] || ! [ "$("$venv/bin/python" -c 'import pip, sys; print(sys.prefix, sys.version)' 2>/dev/null)" = \
        "$venv $("$python" -c 'import sys; print(sys.version)')" ]; then
        say "creating .venv"
        "$python" -m venv --clear --without-pip .venv
        touch "$venv/.unfinished"
        "$venv/bin/python" -m ensurepip --default-pip >/dev/null
    fi
    touch "$venv/.unfinished"
    say "installing requirements.txt into .venv (about 2 minutes and 6 GB the first time)"
    mkdir -p "$venv/tmp"
    TMPDIR=$venv/tmp "$venv/bin/python" -m pip install --quiet --no-cache-dir --disable-pip-version-check -r requirements.txt
    rm -rf "$venv/tmp"
    "$venv/bin/python" tools/fix_wheel_paths.py
    check_opencv
    echo "$key" >"$venv/.done"
    rm "$venv/.unfinished"
    say ".venv ready after $((SECONDS - start)) s"
}

# opencv-python needs libGL and X libraries; on a machine without them the build that has no windows does.
check_opencv() {
    local error
    if error=$("$venv/bin/python" -c 'import cv2' 2>&1); then return; fi
    say "OpenCV cannot load (${error##*$'\n'}): taking opencv-python-headless; apt install libgl1 libglib2.0-0 would cure it too"
    local version
    version=$("$venv/bin/python" -c 'from importlib.metadata import version; print(version("opencv-python"))')
    "$venv/bin/python" -m pip install --quiet --no-cache-dir --disable-pip-version-check --no-deps --force-reinstall \
        "opencv-python-headless==$version"
    "$venv/bin/python" -c 'import cv2' || fail "OpenCV still cannot load: apt install libgl1 libglib2.0-0"
}

build() {
    local key
    key=$(build_key)
    if done_with install/.done "$key"; then return; fi
    check_machine
    local start=$SECONDS
    say "building messages and package into build/ install/ log/"
    rm -f install/.done
    # A CMake cache from another folder or Python stops CMake.
    if ! done_with build/.venv_key "$(venv_key)"; then rm -rf build install; fi
    mkdir -p build install log
    venv_key >build/.venv_key
    (
        . tools/env.sh
        unset COLCON_PREFIX_PATH PYTHONPATH
        export AMENT_PREFIX_PATH=$venv CMAKE_PREFIX_PATH=$venv
        colcon --log-level error build --symlink-install --paths . --packages-select vlsam_ros --event-handlers console_direct- status- \
            --cmake-args "-DPython3_EXECUTABLE=$venv/bin/python" -DBUILD_TESTING=OFF --no-warn-unused-cli
    )
    touch build/COLCON_IGNORE
    echo "$key" >install/.done
    say "built after $((SECONDS - start)) s"
}

case "${1:-}" in
    venv) make_venv ;;
    build) make_venv; build ;;
    *) fail "expected 'venv' or 'build', got '${1:-}'" ;;
esac
