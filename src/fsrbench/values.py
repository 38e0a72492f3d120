"""What plugin files imported before `fsrbench.plugins` had all of it."""

from fsrbench.core.operations import *  # noqa: F403
from fsrbench.core.questions import *  # noqa: F403
from fsrbench.core.stored import *  # noqa: F403
from fsrbench.core.values import *  # noqa: F403
