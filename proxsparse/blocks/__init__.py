"""One image larger than memory."""
