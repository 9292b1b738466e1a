"""Many images in one call."""
