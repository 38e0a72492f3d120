"""What a plugin file of your own imports: contracts, values, errors that it may raise, and the handling of pictures.

Inside the package these stand in the files of `core/`, and in `imaging/images.py`.
"""

from fsrbench.core.auditing import *  # noqa: F403
from fsrbench.core.contracts import *  # noqa: F403
from fsrbench.core.errors import *  # noqa: F403
from fsrbench.core.judging import *  # noqa: F403
from fsrbench.core.operations import *  # noqa: F403
from fsrbench.core.questions import *  # noqa: F403
from fsrbench.core.stored import *  # noqa: F403
from fsrbench.core.values import *  # noqa: F403
from fsrbench.core.ways import *  # noqa: F403
from fsrbench.imaging import images as images
