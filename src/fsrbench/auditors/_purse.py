"""What an arm may spend in one command: reserved for a whole case before its first request, paid reply by reply.

A case begins only if the most that it can still cost fits beside what is spent and what is reserved for the cases
in flight; else it waits until one of them has ended. Whoever waits holds nothing: no reservation, no turn, no lock.
Until the server has counted the tokens of one reply, estimates decide, and one case goes ahead alone.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fsrbench.auditors._price import Price, unknown
from fsrbench.core.errors import CostLimitReached, SettingsError

SLACK = 1e-9
"""Money by which sums of floating-point numbers may be off."""


@dataclass(frozen=True, slots=True)
class Need:
    """A kind of request."""

    kind: str
    """A task's kind; `audit again`: the request that repairs one."""
    estimate: int
    """Tokens that it sends, estimated."""
    repairs: Need | None = None
    """The kind that it repairs: it sends the same, the reply and what is wrong with it."""
    typical: bool = True
    """Does what a server counts for it say anything about requests of other kinds?"""


@dataclass(slots=True)
class _Counted:
    """What a server counted for one kind of request: the most of all replies."""

    prompt: int = 0
    """Tokens sent."""
    estimate: int = 1
    """The largest estimate of those that were counted."""


class Purse:
    """Counts and bounds what an arm spends, over all its threads. It begins empty with every command."""

    def __init__(self, price: Price | None, limit: float | None, model: str, max_tokens: int) -> None:
        if limit is not None and price is None:
            raise SettingsError(f"max_cost is set. {unknown(model)}")
        self.spent = 0.0
        """Money, so far."""
        self.price = price
        """What tokens cost; None where it is not known."""
        self.limit = limit
        """The most that may be spent; None for no limit."""
        self._received = max_tokens
        self._counted: dict[str, _Counted] = {}
        self._uncounted = False
        self._patient = True
        self._begun: list[Account] = []
        self._flying: list[Need] = []
        self._changed = threading.Condition()

    def patient(self, yes: bool) -> None:
        """May cases wait for money? Not while a run is being ended: those that do are let go."""
        with self._changed:
            self._patient = yes
            self._changed.notify_all()

    def learn(self, need: Need, sent: int, received: int) -> None:
        """Note what a server counted, now or in an earlier command."""
        if sent <= 0 or not need.typical:
            return  # it does not count
        with self._changed:
            known = self._counted.setdefault(need.kind, _Counted())
            known.prompt, known.estimate = max(known.prompt, sent), max(known.estimate, need.estimate)
            self._received = max(self._received, received)
            self._changed.notify_all()

    # ---------------------------------------------------------------- reserving

    def reserve(self, account: Account) -> None:
        """Keep for a case the most that it can still cost, when that fits; CostLimitReached if it never will."""
        if self.limit is None:
            return
        with self._changed:
            while not account.reserved and not self._admit(account):
                self._changed.wait()

    def _admit(self, account: Account) -> bool:
        """Let a case go ahead if it may; False if it may when another one has ended."""
        self._refuse_uncounted()
        others = [one for one in self._begun if one is not account]
        if others and not self._patient:
            raise CostLimitReached("The run is being ended: nothing further is asked.")
        if others and not self._counted:
            return False
        taken = sum(self._worst(one) if one.reserved else self._next(one) for one in others)
        account.reserved = self._fits(taken + self._worst(account))
        # Before anything was counted, a case is not refused for an estimate if one question can be afforded.
        if account.reserved or (not self._counted and self._fits(self._next(account))):
            self._begun = [*others, account]
            return True
        if others:
            return False
        raise CostLimitReached(self._why(self._worst(account)))

    def spared(self) -> None:
        """A case turned out to need less: others may fit now."""
        with self._changed:
            self._changed.notify_all()

    def release(self, account: Account) -> None:
        """A case has ended: what it did not need is there for others."""
        with self._changed:
            self._begun = [one for one in self._begun if one is not account]
            account.reserved = False
            self._changed.notify_all()

    # ------------------------------------------------------------------- paying

    def send(self, need: Need) -> None:
        """A request is about to be sent: refused, where estimates were wrong and it may pass the limit by itself."""
        with self._changed:
            if self.limit is not None:
                self._refuse_uncounted()
                price = self._price_of(need)
                if not self._fits(sum(map(self._price_of, self._flying)) + price):
                    raise CostLimitReached(self._why(price))
            self._flying.append(need)

    def landed(self, need: Need) -> None:
        """A request is over, whatever came of it."""
        with self._changed:
            self._flying.remove(need)

    def pay(self, need: Need, tokens: tuple[int, int] | None) -> float | None:
        """Note one reply's tokens (sent, received), and return what it cost; None where that is not known.

        A reply that nobody counted is never free: under a limit, the most that it can have cost is taken off.
        """
        if self.price is None:
            return None
        with self._changed:
            if tokens is None:
                self._uncounted = True
                self.spent += self._price_of(need) if self.limit is not None else 0
                self._changed.notify_all()
                return None
            cost = self.price.of(*tokens)
            self.spent += cost
            self.learn(need, *tokens)
            return cost

    # ---------------------------------------------------------------- reckoning

    def _fits(self, more: float) -> bool:
        return self.limit is None or self.spent + more <= self.limit + SLACK

    def _worst(self, account: Account) -> float:
        """The most that a case can still cost."""
        return sum(number * self._price_of(need) for need, number in account.left.items())

    def _next(self, account: Account) -> float:
        """The most that its next request can cost."""
        return self._price_of(account.next) if account.next is not None else 0.0

    def _price_of(self, need: Need) -> float:
        return self.price.of(self._prompt(need), self._received) if self.price is not None else 0.0

    def _prompt(self, need: Need) -> float:
        """Tokens that a request sends: the most that was counted for its kind, more if it is larger than all those.

        A kind that was never counted is to its estimate as the others are to theirs.
        """
        known = self._counted.get(need.kind)
        if known is not None:
            return known.prompt * max(1.0, need.estimate / known.estimate)
        if need.repairs is not None:
            return self._prompt(need.repairs) + need.estimate - need.repairs.estimate
        shares = [one.prompt / one.estimate for one in self._counted.values()]
        return need.estimate * max(shares, default=1.0)

    def _refuse_uncounted(self) -> None:
        if self._uncounted:
            raise CostLimitReached(
                "The server does not say how many tokens a reply took, so max_cost cannot be kept: leave it out."
            )

    def _why(self, price: float) -> str:
        spent = f"{self.spent:.4f} of {self.limit:g} spent by this command"
        if self.limit is not None and price > self.limit + SLACK:
            return (
                f"The limit on cost is below what a case can cost: up to {price:.4g} ({spent}). What was paid is kept. "
                "Give a higher --max-cost (arm's setting max_cost), or ask for less (max_tokens, repeat, retries)."
            )
        return (
            f"The limit on cost leaves no room for another case: {spent}, up to {price:.4g} needed. What was paid is "
            "kept. The same command goes on with what is missing and spends as much again; or give it a higher "
            "--max-cost (arm's setting max_cost)."
        )


class Account:
    """What one case may still ask of an arm, and whether money is reserved for it. Used by one thread at a time."""

    def __init__(
        self, purse: Purse, most: Mapping[Need, int], excuse: Callable[[float], None] = lambda _seconds: None
    ) -> None:
        self.left = dict(most)
        """Requests that it can still take, by kind."""
        self.next: Need | None = None
        """Its next request."""
        self.reserved = False
        """Is money reserved for all of them?"""
        self.waited = 0.0
        """Seconds that it waited for others to end."""
        self._purse = purse
        self._excuse = excuse
        self._needs = {need.kind: need for need in most}

    def knows(self, kind: str) -> bool:
        """Were requests of this kind reserved?"""
        return kind in self._needs

    def bill(self, kind: str) -> Bill:
        """For the next request of this kind. Waits until there is money for the whole case: hold nothing meanwhile."""
        self.next = self._needs[kind]
        if not self.reserved:
            started = time.monotonic()
            self._purse.reserve(self)
            waited = time.monotonic() - started
            self.waited += waited
            self._excuse(waited)
        return Bill(self, self._purse, self.next)

    def known(self, kind: str, sent: int, received: int) -> None:
        """What the server counted when a request of this kind was answered before holds now."""
        self._purse.learn(self._needs[kind], sent, received)

    def spare(self, *kinds: str) -> None:
        """One request of each kind fewer is needed."""
        fewer = {self._needs[kind]: 1 for kind in kinds}
        self.left = {need: max(0, number - fewer.get(need, 0)) for need, number in self.left.items()}
        self._purse.spared()

    def close(self) -> None:
        """The case has ended, one way or another."""
        self._purse.release(self)


class Bill:
    """One reply that is asked for and will be paid. Entered anew for every attempt."""

    def __init__(self, account: Account, purse: Purse, need: Need) -> None:
        self._account = account
        self._purse = purse
        self._need = need

    def __enter__(self) -> None:
        self._purse.send(self._need)

    def __exit__(self, *_: object) -> None:
        self._purse.landed(self._need)

    def pay(self, tokens: tuple[int, int] | None) -> float | None:
        """Pay the reply: see `Purse.pay`."""
        self._account.spare(self._need.kind)
        return self._purse.pay(self._need, tokens)
