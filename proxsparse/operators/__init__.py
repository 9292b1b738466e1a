"""Linear operators between images: one file each."""

from .base import Composition, Operator, once
from .blur import Blur
from .downsample import Downsample
from .matrix import MatrixOperator, as_operator
from .wavelet import Wavelet

__all__ = ["Blur", "Composition", "Downsample", "MatrixOperator", "Operator", "Wavelet", "as_operator", "once"]
