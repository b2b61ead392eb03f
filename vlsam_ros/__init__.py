"""VL-SAM for ROS 2: open-ended, training-free detection and segmentation of road hazards.

The core (everything outside ``vlsam_ros.ros``) imports neither rclpy nor a message package.
"""

# From a source checkout this folder would hide the installed package and with it `vlsam_ros.msg`: look at both.
__path__ = __import__("pkgutil").extend_path(__path__, __name__)

__version__ = "0.1.0"

from . import _moved  # noqa: E402, F401
