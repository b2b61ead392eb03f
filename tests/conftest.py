"""Settings for every test."""

import cv2
import torch

torch.set_num_threads(1)  # several threads are slower on a loaded machine
cv2.setNumThreads(1)
