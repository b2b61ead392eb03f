"""Text-promptable localisers."""
