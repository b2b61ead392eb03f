"""Recordings in rosbag2's formats: read and write."""
