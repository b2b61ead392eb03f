"""Training of the embedded pair: the modules one by one, as README.md here says."""
