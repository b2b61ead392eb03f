"""`pip install -e .` of the ROS-free core, as pyproject.toml says. The ROS build (CMakeLists.txt) does without it."""

from setuptools import setup

if __name__ == "__main__":
    setup()
