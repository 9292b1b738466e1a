"""The algorithms, each a generator over plain arrays, and the driver that runs them.

A solver is ``steps(problem, x, p, **options)``: it yields the primal and the dual that certifies it, and is sent how many
iterations to go on; it ends where there is nothing more to do. The dual is a flat vector over `problem.stack`, inside its ball.
"""
