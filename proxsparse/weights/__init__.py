"""Weights chosen from the image."""
