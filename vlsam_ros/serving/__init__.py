"""Processes of their own: the models, and what goes on beside them. No ROS here."""
