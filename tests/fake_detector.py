"""The real node with the pipeline of fake_pipeline.py. Started by ros_client.py."""

from __future__ import annotations

import sys

from vlsam_ros.ros.node import main

if __name__ == "__main__":
    sys.exit(main(load="fake_pipeline:load"))
