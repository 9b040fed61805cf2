"""The one way in: from what a request shows to who asks, with all limits on the way."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from strategy_optimizer.access.audit import Audit
from strategy_optimizer.access.keys import Keys
from strategy_optimizer.access.origins import SAFE_METHODS, check_origin
from strategy_optimizer.access.passwords import Passwords
from strategy_optimizer.access.policy import SOCKET
from strategy_optimizer.access.principal import Principal
from strategy_optimizer.access.quotas import Quotas
from strategy_optimizer.access.rate_limits import Failures, Rate, TokenBuckets, network_of
from strategy_optimizer.access.sessions import NewSession, Sessions
from strategy_optimizer.access.tickets import Tickets
from strategy_optimizer.errors import NotAllowedError, NotAuthenticatedError
from strategy_optimizer.storage import Store, UserRecord

_CALLER, _ADDRESS = Rate(200.0, at_once=1000), Rate(1000.0, at_once=5000)


@dataclass(frozen=True)
class Limits:
    """How often something may be asked of one process of the service.

    Attributes
    ----------
    caller : Rate
        Requests of one user.
    address : Rate
        Requests from one address, of whomever.
    bad_keys : int
        Keys, tickets and passwords that are wrong, from one address within a minute.
    bad_sessions : int
        Sessions that have ended, from one address within a minute: pages that are left open show them.
    bad_passwords : int
        Wrong passwords for one name within a quarter of an hour, from wherever.
    """

    caller: Rate = _CALLER
    address: Rate = _ADDRESS
    bad_keys: int = 20
    bad_sessions: int = 300
    bad_passwords: int = 30


@dataclass(frozen=True)
class Call:
    """What a request, or the opening of a socket, shows of itself.

    Attributes
    ----------
    method : str
        ``WS`` for sockets.
    address : str
    key, cookie, ticket : str or None
        What it identifies itself with; the first that is there counts, and tickets are for sockets alone.
    origin, host : str or None
        These headers.
    """

    method: str
    address: str
    key: str | None = field(default=None, repr=False)
    cookie: str | None = field(default=None, repr=False)
    ticket: str | None = field(default=None, repr=False)
    origin: str | None = None
    host: str | None = None


class Gate:
    """Says who asks.

    Parameters
    ----------
    store : Store
    limits : Limits
    passwords : Passwords, optional
    origins : collection of str
        Web origins, beside the service's own, whose pages may use a session.
    clock : callable, optional
        Seconds that only grow, for tests.

    Attributes
    ----------
    keys : Keys
    sessions : Sessions
    tickets : Tickets
    quotas : Quotas
    audit : Audit
    """

    def __init__(
        self,
        store: Store,
        *,
        limits: Limits = Limits(),
        passwords: Passwords | None = None,
        origins: Collection[str] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.keys = Keys(store, clock=clock)
        self._passwords = passwords or Passwords()
        self.sessions = Sessions(store, self._passwords, clock=clock)
        self.tickets = Tickets(store, self.keys, self.sessions)
        self.quotas = Quotas(store)
        self.audit = Audit(store)
        self._accounts = store.accounts
        self._origins = tuple(origins)
        self._callers = TokenBuckets(limits.caller, clock=clock)
        self._addresses = TokenBuckets(limits.address, clock=clock)
        self._bad_keys = Failures(limits.bad_keys, 60.0, clock=clock)
        self._bad_sessions = Failures(limits.bad_sessions, 60.0, clock=clock)
        self._bad_passwords = Failures(limits.bad_passwords, 900.0, clock=clock)

    def check_address(self, address: str) -> None:
        """Count a request, and raise a `TooManyRequestsError` when there were too many from its address."""
        self._addresses.check(network_of(address))

    def identify(self, call: Call) -> Principal | None:
        """Return who asks; None where nothing was shown.

        Raises
        ------
        NotAuthenticatedError
            When what was shown is not valid.
        NotAllowedError
            When another site uses the session that the browser keeps for this one.
        TooManyRequestsError
            When this user asks too often, or this address showed too much that was wrong.
        """
        principal = self._shown(call)
        if principal is not None:
            self._callers.check(principal.user_id)
        return principal

    def identify_from_memory(self, call: Call) -> Principal | None:
        """Return who asks, when that was looked up a moment ago; else None, and `identify` is to be asked.

        Nothing is read from the store, so that an event loop may call it.

        Raises
        ------
        TooManyRequestsError
            When this user asks too often.
        """
        principal = None
        if call.key is not None:
            principal = self.keys.recent(call.key)
        elif call.ticket is None and call.cookie is not None and call.method in SAFE_METHODS:
            principal = self.sessions.recent(call.cookie)
        if principal is not None:
            self._callers.check(principal.user_id)
        return principal

    def identify_again(self, principal: Principal) -> Principal:
        """Return what somebody may do now who was identified before, for sockets that stay open.

        Raises
        ------
        NotAuthenticatedError
            When the key or the session has ended, or the user was disabled.
        """
        who = self.keys if principal.key_id is not None else self.sessions
        return who.verify_again(principal)

    def log_in(self, name: str, password: str, address: str) -> NewSession:
        """Begin a session.

        Raises
        ------
        NotAuthenticatedError
            When name or password is wrong.
        TooManyRequestsError
            After too many failures from this address, or for this name.
        """
        network, who = network_of(address), name.casefold()[:200]
        self._bad_keys.check(network)
        self._bad_passwords.check(who)
        try:
            session = self.sessions.log_in(name, password)
        except NotAuthenticatedError:
            self._bad_keys.note(network)
            self._bad_passwords.note(who)
            self.audit.note(None, "login.failed", name, address=address)
            raise
        self._bad_passwords.forget(who)
        return session

    def confirm(self, principal: Principal, password: str, address: str) -> None:
        """Raise unless the one who asks knows their present password; guesses are counted as those of a login."""
        network, who = network_of(address), principal.name.casefold()[:200]
        self._bad_keys.check(network)
        self._bad_passwords.check(who)
        if not self.sessions.is_password(principal.user_id, password):
            self._bad_keys.note(network)
            self._bad_passwords.note(who)
            raise NotAllowedError("the present password is wrong")

    def hash_password(self, password: str, name: str) -> str:
        """Return what is stored of the password of a new user; see `Passwords.hash`."""
        return self._passwords.hash(password, name=name)

    def change_user(
        self, user_id: str, *, role: str | None = None, disabled: bool | None = None
    ) -> UserRecord:
        """Change a user: at once in this process, within two seconds in others."""
        given = {"role": role, "disabled": disabled}
        changed = self._accounts.change_user(
            user_id, **{name: value for name, value in given.items() if value is not None}
        )
        self.keys.forget_user(user_id)
        self.sessions.forget_user(user_id)
        return changed

    def _shown(self, call: Call) -> Principal | None:
        if call.key is not None:
            return self._counted(self._bad_keys, call, self.keys.verify, call.key, self.keys.is_known)
        if call.ticket is not None and call.method == SOCKET:
            return self._counted(self._bad_keys, call, self.tickets.take, call.ticket)
        if call.cookie is not None:
            if call.method not in SAFE_METHODS:
                check_origin(call.origin, call.host, self._origins)
            return self._counted(
                self._bad_sessions, call, self.sessions.verify, call.cookie, self.sessions.is_known
            )
        return None

    def _counted(
        self,
        failures: Failures,
        call: Call,
        verify: Callable[[str], Principal],
        text: str,
        is_known: Callable[[str], bool] = lambda _: False,
    ) -> Principal:
        """Verify, counting failures by address.

        What was valid here before is looked at even when others at its address (a proxy, an office) guess.
        """
        network = network_of(call.address)
        if not is_known(text):
            failures.check(network)
        try:
            return verify(text)
        except NotAuthenticatedError:
            failures.note(network)
            raise
