"""Between keyframes: tracks, and where they stand on the road."""
