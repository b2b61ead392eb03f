"""`pip install -e .` for the ROS-free core; everything is in pyproject.toml. The ROS build (CMakeLists.txt) ignores it."""

from setuptools import setup

if __name__ == "__main__":
    setup()
