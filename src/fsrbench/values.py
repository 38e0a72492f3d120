"""For older plugin files, which import from here: `fsrbench.plugins` has all of it now."""

from fsrbench.core.operations import *  # noqa: F403
from fsrbench.core.questions import *  # noqa: F403
from fsrbench.core.stored import *  # noqa: F403
from fsrbench.core.values import *  # noqa: F403
