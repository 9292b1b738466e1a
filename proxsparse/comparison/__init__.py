"""Models beside classical answers."""
