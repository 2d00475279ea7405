"""
Who may do what: management keys, and viewer tokens (JWT, HS256).

A key may do everything. A token opens one task, or the tasks of one tag, for its scopes, until it expires. A bad or
expired credential is never treated as none.
"""

import hmac
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import jwt

from relay.errors import Code, RequestError

Scope = Literal["view", "cancel", "input"]
SCOPES: tuple[Scope, ...] = ("view", "cancel", "input")

MAX_TIME_S = 2**53
"""No token's time is this late."""


class TokenExpired(RequestError):
    """It was valid once: its bearer should come back with a fresh one."""

    def __init__(self) -> None:
        super().__init__(Code.UNAUTHORIZED, "The token has expired; ask whoever gave it to you for a fresh one.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a credential allows: a key everything, a token what it names."""

    key: int | None = None
    """Which of the keys it is."""
    task: str | None = None
    tag: str | None = None
    scopes: frozenset[str] = frozenset()
    expires_at: float | None = None

    @property
    def is_key(self) -> bool:
        return self.key is not None

    def allows(self, scope: Scope, task: str, tags: Iterable[str] = ()) -> bool:
        """Say whether it allows `scope` on a task with these tags."""
        if self.is_key:
            return True
        return scope in self.scopes and (self.task == task or (self.tag is not None and self.tag in tags))

    def allows_tag(self, scope: Scope, tag: str) -> bool:
        """Say whether it allows `scope` on all tasks of a tag."""
        return self.is_key or (scope in self.scopes and self.tag == tag)


class Access:
    """Checks credentials and mints tokens."""

    def __init__(self, keys: Sequence[str], token_secret: str, clock: Callable[[], float]) -> None:
        """
        Args:
            keys: the management keys, several while they are rotated.
            token_secret: signs tokens; whoever knows it can mint them.
            clock: gives unix seconds.
        """
        self._keys = [key.encode() for key in keys]
        self._secret = token_secret
        self._clock = clock

    def check(self, credential: str | None) -> Grant:
        """
        Return what a credential allows.

        Raises:
            TokenExpired: it is a token whose time is over.
            RequestError: there is none, or it is not valid.
        """
        if not credential:
            raise RequestError(Code.UNAUTHORIZED, "Send an API key or a viewer token as Authorization: Bearer ….")
        # A header can hold bytes that are no text: they are surrogates here, and equal to nothing.
        given = credential.encode(errors="replace")
        matches = [hmac.compare_digest(given, key) for key in self._keys]  # every key, so that time tells nothing
        return Grant(key=matches.index(True)) if any(matches) else self._token(credential)

    def mint(self, task: str, *, scope: str, ttl_s: float) -> tuple[str, float]:
        """
        Make a token for one task.

        Returns:
            The token and when it expires, in unix seconds.
        """
        return self._sign("task", task, scope, ttl_s)

    def mint_tag(self, tag: str, *, scope: str, ttl_s: float) -> tuple[str, float]:
        """Make a token for all tasks of a tag, those that are still to come too; returns the same as `mint`."""
        return self._sign("tag", tag, scope, ttl_s)

    def _sign(self, subject: Literal["task", "tag"], name: str, scope: str, ttl_s: float) -> tuple[str, float]:
        now = self._clock()
        expires_at = int(now + ttl_s)
        claims = {subject: name, "scope": scope, "iat": int(now), "exp": expires_at}
        return jwt.encode(claims, self._secret, algorithm="HS256"), float(expires_at)

    def _token(self, token: str) -> Grant:
        try:
            claims = jwt.decode(
                token,
                self._secret,
                algorithms=["HS256"],
                # The clock is ours to pass in, so that a test can move it: times are checked below.
                options={"require": ["exp"], "verify_exp": False, "verify_iat": False, "verify_nbf": False},
            )
        except (jwt.InvalidTokenError, UnicodeEncodeError, RecursionError) as error:
            raise RequestError(Code.UNAUTHORIZED, "The credential is neither an API key nor a valid token.") from error
        expires_at, valid_from = claims["exp"], claims.get("nbf", 0)
        task, tag, scope = claims.get("task"), claims.get("tag"), claims.get("scope", "view")
        named = [name for name in (task, tag) if name is not None]
        if not _is_time(expires_at) or not _is_time(valid_from) or not isinstance(scope, str):
            detail = "The token's `exp` and `nbf` must be numbers and its `scope` a text."
            raise RequestError(Code.UNAUTHORIZED, detail)
        if len(named) != 1 or not isinstance(named[0], str) or not named[0]:
            raise RequestError(Code.UNAUTHORIZED, "The token must name one `task` or one `tag`.")
        if self._clock() >= expires_at:
            raise TokenExpired
        if self._clock() < valid_from:
            raise RequestError(Code.UNAUTHORIZED, "The token is not valid yet.")
        return Grant(task=task, tag=tag, scopes=frozenset(scope.split()), expires_at=float(expires_at))


def _is_time(value: object) -> bool:
    """Say whether a claim is a time. Python's JSON knows NaN and Infinity, which would be for ever."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < MAX_TIME_S
