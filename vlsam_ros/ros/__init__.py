"""The ROS 2 side, the detector and the bag player; only this folder and the demo import rclpy."""
