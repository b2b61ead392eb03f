"""Point the CMake files of the installed ROS wheels at this machine's Python and numpy headers.

The wheels name the include folders of the machine that built them, and CMake stops at a folder that is not there.
It also stops when a package exports an include folder below its own source folder, as numpy's in our .venv is.
Run with the venv's Python, after each installation; a second run changes nothing.
"""

import re
import sys
import sysconfig
from pathlib import Path

import numpy

REPLACEMENTS = {
    r"/opt/python/cp\d+-cp\d+/lib/python3\.\d+/site-packages/numpy/_core/include": numpy.get_include(),
    r"/opt/python/cp\d+-cp\d+/include/python3\.\d+": sysconfig.get_paths()["include"],
    r"PUBLIC \$\{Python3_INCLUDE_DIRS\} \$\{Python3_NumPy_INCLUDE_DIRS\}\)": (
        'PUBLIC "$<BUILD_INTERFACE:${Python3_INCLUDE_DIRS};${Python3_NumPy_INCLUDE_DIRS}>")'
    ),
}

changed = 0
for file in Path(sys.prefix).glob("share/*/cmake/*.cmake"):
    before = after = file.read_text()
    for pattern, text in REPLACEMENTS.items():
        after = re.sub(pattern, lambda _, text=text: text, after)
    if after != before:
        file.write_text(after)
        changed += 1
print(f"[vlsam_ros] include folders set in {changed} of the wheels' CMake files")
