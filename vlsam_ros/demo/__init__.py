"""The detector on a rendered drive, over real ROS 2: `make demo`."""
