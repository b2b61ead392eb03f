"""`python -m vlsam_ros.demo`."""

import sys

from vlsam_ros.demo.run import main

sys.exit(main())
