"""Point the CMake files of the installed ROS wheels at this machine's Python and numpy headers.

The wheels name the include folders of the machine that built them, and CMake stops at a folder that is not there.
Run with the venv's Python, after each installation; a second run changes nothing.
"""

import re
import sys
import sysconfig
from pathlib import Path

import numpy

HEADERS = {
    r"/opt/python/cp\d+-cp\d+/lib/python3\.\d+/site-packages/numpy/_core/include": numpy.get_include(),
    r"/opt/python/cp\d+-cp\d+/include/python3\.\d+": sysconfig.get_paths()["include"],
}

changed = 0
for file in Path(sys.prefix).glob("share/*/cmake/*.cmake"):
    before = after = file.read_text()
    for pattern, folder in HEADERS.items():
        after = re.sub(pattern, lambda _, folder=folder: folder, after)
    if after != before:
        file.write_text(after)
        changed += 1
print(f"[vlsam_ros] include folders set in {changed} CMake files")
