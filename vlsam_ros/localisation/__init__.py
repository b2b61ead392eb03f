"""Where it is: from a map or a box to masks, and how sure that is."""
