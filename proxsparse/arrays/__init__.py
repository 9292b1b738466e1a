"""Numbers, layouts, bounds and rounding of arrays."""
