"""Linear algebra that operators and penalties share."""
