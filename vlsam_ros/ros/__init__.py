"""The ROS 2 side: the only folder with rclpy, apart from the bag player."""
