"""What plugin files imported before `fsrbench.plugins` had all of it."""

from fsrbench.core.values import *  # noqa: F403
