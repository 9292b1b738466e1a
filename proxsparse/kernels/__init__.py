"""Numba kernels: arrays and scalars in, loops, nothing else; they check nothing and allocate only scratch rows.

Images are C-contiguous and four-dimensional, (channel, plane, row, column); 2-D images have one plane,
signals one row. The argument that is written comes first.
"""
