"""From what the user gave to the problem that solvers see, its certificate, and back."""
