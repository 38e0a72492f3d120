"""What a plugin file of your own imports: contracts, values, errors that it may raise, and the handling of pictures.

Inside the package these stand in `contracts.py`, `ways.py`, `values.py` and `errors.py` of `core/`, and in
`imaging/images.py`.
"""

from fsrbench.core.contracts import *  # noqa: F403
from fsrbench.core.errors import *  # noqa: F403
from fsrbench.core.values import *  # noqa: F403
from fsrbench.core.ways import *  # noqa: F403
from fsrbench.imaging import images as images
