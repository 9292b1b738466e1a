"""What a penalty, an operator or a data term of your own has to hold, as checks that name what is wrong.

`solve` believes what they say: a certificate is only as right as the map, the ball and the norm bound behind it.
"""

from .data_terms import check_data_term
from .operators import check_operator
from .penalties import check_penalty, require_sound

__all__ = ["check_data_term", "check_operator", "check_penalty", "require_sound"]
