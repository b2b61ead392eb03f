"""What is there: questions to the VLM, names in its answers, one attention map per name."""
