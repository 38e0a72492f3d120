"""Stops asking a server after a few failures in a row that asking again cannot mend, such as a wrong key.

Any answer in between shows that it can be asked. The next command begins anew.
"""

from __future__ import annotations

import threading

from fsrbench.core.errors import AuditorUnreachable


class Patience:
    """Counts such failures, over all threads."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._failures = 0
        self._last = ""
        self._lock = threading.Lock()

    def answered(self) -> None:
        """Something came back."""
        with self._lock:
            self._failures = 0

    def failed(self, told: str) -> None:
        """Nothing came back, and asking again cannot help; `told` is why."""
        with self._lock:
            self._failures += 1
            self._last = told

    def check(self) -> None:
        """Refuse to ask once it was given up."""
        with self._lock:
            if self._most and self._failures >= self._most:
                raise AuditorUnreachable(
                    f"not tried: after {self._failures} failures in a row that asking again cannot mend, nobody was "
                    f"asked any more; the last: {self._last}"
                )
