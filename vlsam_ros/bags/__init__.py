"""Recordings in rosbag2's formats: read, write and play."""
