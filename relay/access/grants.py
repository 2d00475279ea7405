"""
Check credentials: API keys and viewer tokens (JWT with HS256, https://www.rfc-editor.org/rfc/rfc7519).

An API key allows what its role allows, on all tasks. A token allows its scopes on one task, or on the tasks of one tag,
until it expires. An invalid or expired credential is rejected, even by a call that needs no credential.
"""

import hmac
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal

import jwt
from pydantic import ValidationError

from relay.access.revocations import Revoked, TokenId
from relay.access.roles import RIGHTS, Right
from relay.access.start_rules import StartRules
from relay.config.api_keys import KEY_NAME, ApiKey, Role
from relay.core.tag import normalize_tag
from relay.errors import Code, RequestError
from relay.journal.revocations import Kind, Revocation

Scope = Literal["view", "view:status", "cancel", "input", "start"]
SCOPES: tuple[Scope, ...] = ("view", "view:status", "cancel", "input", "start")
"""`start` is for tokens of a tag only."""

DAY_S = 86_400

MAX_TTL_S = 365 * DAY_S
"""The longest lifetime of a token, whether the relay or another backend minted it."""

LEEWAY_S = 30.0
"""How far the clock of a backend that mints tokens may be ahead of the relay's."""

MILLISECONDS_FROM = 1e11
"""Numbers from here on are read as milliseconds: as seconds, this is the year 5138; as milliseconds, 1973."""

DIGEST_CHARS = 32

MAX_TIME = 2**53
"""Upper bound of `exp`, `nbf` and `iat` in any unit."""


class TokenExpired(RequestError):
    """The token was valid but has expired. The client should reconnect with a new one."""

    def __init__(self) -> None:
        super().__init__(Code.UNAUTHORIZED, "The token has expired; request a new one.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """
    What a credential allows: some rights, on all tasks, on those of a tag, or on one task.

    An API key has a role and a name, which may be empty, and may be bound to a tag. A token has an expiry.
    """

    role: Role | None = None
    """The role of the API key; null for a token."""
    name: str = ""
    """The name of the API key, for logs, the audit and budgets; of a start token, that of the key that minted it."""
    key_digest: str = ""
    """Identifies the API key across restarts and changes of its name."""
    task: str | None = None
    tag: str | None = None
    scopes: frozenset[Right] = frozenset()
    """The rights."""
    expires_at: float | None = None
    token: TokenId | None = None
    """Identifies the token for its revocation."""
    start: StartRules | None = None
    """What a start token may start; null for any other credential."""

    @property
    def is_key(self) -> bool:
        return self.role is not None

    @property
    def kind(self) -> str:
        """What the credential is, for messages."""
        return "API key" if self.is_key else "token"

    @property
    def subject(self) -> str | None:
        """What a token opens, for logs and the audit: `task:ID` or `tag:TAG`; null for a key."""
        if self.is_key:
            return None
        return f"tag:{self.tag}" if self.task is None else f"task:{self.task}"

    @property
    def covers_all(self) -> bool:
        """Whether its rights apply to all tasks."""
        return self.task is None and self.tag is None

    def lifetime_s(self, wanted_s: int, now: float) -> int:
        """Return how long a token that is minted with it is valid: not longer than itself."""
        return wanted_s if self.expires_at is None else max(1, min(wanted_s, int(self.expires_at - now)))

    @property
    def status_only(self) -> bool:
        """Whether it sees only the status of tasks (see `relay.core.status_view`)."""
        return "view:status" in self.scopes and "view" not in self.scopes

    def includes(self, scope: Right) -> bool:
        """Return whether `scope` is one of its rights, or a part of one."""
        return scope in self.scopes or (scope == "view:status" and "view" in self.scopes)

    def allows(self, scope: Right, task: str, tags: Iterable[str] = ()) -> bool:
        """Return whether it allows `scope` on a task with these tags."""
        covered = self.covers_all or self.task == task or (self.tag is not None and self.tag in tags)
        return covered and self.includes(scope)

    def allows_tag(self, scope: Right, tag: str) -> bool:
        """Return whether it allows `scope` on all tasks of a tag."""
        return self.includes(scope) and (self.covers_all or self.tag == tag)


class Access:
    """Checks credentials and mints tokens."""

    def __init__(
        self, keys: Sequence[ApiKey], token_secret: str, clock: Callable[[], float], revoked: Revoked | None = None
    ) -> None:
        """
        Args:
            keys: the API keys. There are several while keys are rotated.
            token_secret: signs tokens. Backends that know it can mint them.
            clock: returns unix seconds.
            revoked: the tokens that are not valid any more; null for none.
        """
        self._revoked = revoked or Revoked()
        self._keys = tuple(keys)
        self._secret = token_secret
        self._clock = clock

    def replace_keys(self, keys: Sequence[ApiKey]) -> bool:
        """Replace the API keys. Return whether any of the old ones is not valid any more, or has changed."""
        before, self._keys = self._keys, tuple(keys)
        return not set(before) <= set(self._keys)

    @property
    def key(self) -> str:
        """The API key for signing in browsers: the first one that may do everything, else the first one."""
        return next((each for each in self._keys if each.role == "admin"), self._keys[0]).key

    def is_key(self, text: str) -> bool:
        """Return whether a text is an API key."""
        return bool(self._matching(text.encode(errors="replace")))

    def check(self, credential: str | None) -> Grant:
        """
        Return what a credential allows.

        Raises:
            TokenExpired: it is a token that has expired.
            RequestError: it is missing or invalid.
        """
        if not credential:
            raise RequestError(
                Code.UNAUTHORIZED,
                "A credential is required: send an API key or a viewer token as `Authorization: Bearer CREDENTIAL`.",
            )
        # Header bytes that are not UTF-8 are surrogates here. They are replaced, so they match no key.
        given = credential.encode(errors="replace")
        if not (matches := self._matching(given)):
            return self._check_token(credential)
        match, digest = matches[0], sha256(given).hexdigest()
        return Grant(
            role=match.role,
            name=match.name,
            key_digest=digest[:DIGEST_CHARS],
            tag=match.tag,
            scopes=RIGHTS[match.role],
        )

    def mint(self, task: str, *, scope: str, ttl_s: float, jti: str | None = None) -> tuple[str, float]:
        """
        Mint a token for one task.

        Args:
            task: by id.
            scope: its scopes, separated by spaces.
            ttl_s: how long it is valid.
            jti: its id; null for a random one.

        Returns:
            The token, and its expiry in unix seconds.
        """
        return self._sign("task", task, scope, ttl_s, jti)

    def mint_tag(
        self,
        tag: str,
        *,
        scope: str,
        ttl_s: float,
        jti: str | None = None,
        rules: StartRules | None = None,
        key: str = "",
    ) -> tuple[str, float]:
        """
        Mint a token for all tasks of a tag, including future ones.

        Args:
            tag: the tag.
            scope: its scopes, separated by spaces.
            ttl_s: how long it is valid.
            jti: its id; null for a random one.
            rules: what it may start, if its scopes include `start`.
            key: the name of the API key whose budget it uses; empty for none.

        Returns:
            The same as `mint`.
        """
        more = {} if rules is None else rules.model_dump(mode="json", exclude_defaults=True, exclude_none=True)
        return self._sign("tag", tag, scope, ttl_s, jti, more | ({"key": key} if key else {}))

    def _matching(self, given: bytes) -> list[ApiKey]:
        """Compare all keys, in constant time; return those that are the same."""
        return [each for each in self._keys if hmac.compare_digest(given, each.key.encode())]

    def _sign(
        self,
        subject: Literal["task", "tag"],
        name: str,
        scope: str,
        ttl_s: float,
        jti: str | None,
        more: Mapping[str, object] | None = None,
    ) -> tuple[str, float]:
        now = self._clock()
        expires_at = int(now + ttl_s)
        # With milliseconds, a token that is minted right after earlier ones were revoked is newer than these.
        claims = {subject: name, "scope": scope, "iat": round(now, 3), "exp": expires_at, "jti": jti or new_jti()}
        claims |= more or {}
        return jwt.encode(claims, self._secret, algorithm="HS256"), float(expires_at)

    def _check_token(self, token: str) -> Grant:
        try:
            claims = jwt.decode(
                token,
                self._secret,
                algorithms=["HS256"],
                # PyJWT would use the system clock. Times are checked below, with the clock that tests can set.
                options={"require": ["exp"], "verify_exp": False, "verify_iat": False, "verify_nbf": False},
            )
        except (jwt.InvalidTokenError, UnicodeEncodeError, RecursionError) as error:
            raise RequestError(Code.UNAUTHORIZED, "The credential is neither an API key nor a valid token.") from error
        task, tag, scope = claims.get("task"), claims.get("tag"), claims.get("scope", "view")
        named = [name for name in (task, tag) if name is not None]
        if not isinstance(scope, str):
            raise RequestError(Code.UNAUTHORIZED, "The token's `scope` must be a string such as `view cancel`.")
        if len(named) != 1 or not isinstance(named[0], str) or not named[0]:
            raise RequestError(Code.UNAUTHORIZED, "The token must name either one `task` or one `tag`.")
        if tag is not None:
            tag = _tag(tag)
        expires_at = self._valid_until(claims)
        identity = _identity(claims, task, tag)
        if self._revoked.covers(identity):
            raise RequestError(Code.UNAUTHORIZED, "The token has been revoked; request a new one.")
        # A token has scopes only: the other rights are for API keys.
        scopes = frozenset(each for each in SCOPES if each in scope.split())
        if "start" not in scopes or tag is None:
            return Grant(task=task, tag=tag, scopes=scopes - {"start"}, expires_at=expires_at, token=identity)
        return Grant(
            tag=tag, scopes=scopes, expires_at=expires_at, token=identity, start=_rules(claims), name=_key_name(claims)
        )

    def _valid_until(self, claims: Mapping[str, object]) -> float:
        """
        Return when a token expires, in unix seconds.

        Raises:
            TokenExpired: it has expired.
            RequestError: a time is invalid, or the token is not valid yet or valid for too long.
        """
        now = self._clock()
        expires_at, valid_from = _time(claims, "exp"), _time(claims, "nbf")
        _time(claims, "iat")
        if now >= expires_at:
            raise TokenExpired
        if valid_from > now + LEEWAY_S:
            detail = f"`nbf` is {valid_from - now:.0f} s ahead; the limit is {LEEWAY_S:.0f} s"
            raise RequestError(Code.UNAUTHORIZED, f"The token is not valid yet: {detail}. Check the issuer's clock.")
        if expires_at > now + MAX_TTL_S + LEEWAY_S:
            days = (expires_at - now) / DAY_S
            detail = f"`exp` is {days:.0f} days ahead; the limit is {MAX_TTL_S // DAY_S} days"
            raise RequestError(Code.UNAUTHORIZED, f"The token is valid for too long: {detail}.")
        return expires_at


def _identity(claims: Mapping[str, object], task: str | None, tag: str | None) -> TokenId:
    """Return what identifies a token. PyJWT has checked that its id is text."""
    jti = claims.get("jti")
    subject, name = (Kind.TASK, task) if task is not None else (Kind.TAG, tag or "")
    return TokenId(subject, name, jti if isinstance(jti, str) else None, _time(claims, "iat"))


def _rules(claims: Mapping[str, object]) -> StartRules:
    """Return what a start token allows. A claim that is null counts as absent."""
    given = {name: value for name in StartRules.model_fields if (value := claims.get(name)) is not None}
    try:
        return StartRules.model_validate(given)
    except ValidationError as error:
        (first, *_) = error.errors(include_url=False, include_context=False, include_input=False)
        place = ".".join(map(str, first["loc"]))
        raise RequestError(Code.UNAUTHORIZED, f"The token's `{place}` is invalid: {first['msg']}.") from None


def _key_name(claims: Mapping[str, object]) -> str:
    name = claims.get("key", "")
    if not isinstance(name, str) or (name and not KEY_NAME.fullmatch(name)):
        raise RequestError(Code.UNAUTHORIZED, "The token's `key` must be the name of an API key.")
    return name


def revocation(kind: Kind, name: str, now: float) -> Revocation:
    """Return the revocation of all tokens of a kind and name that were issued until `now`, in unix seconds."""
    return Revocation(kind=kind, name=name, at=now, expires_at=now + MAX_TTL_S + LEEWAY_S)


def new_jti() -> str:
    """Return a random id for a token."""
    return secrets.token_urlsafe(12)


def _time(claims: Mapping[str, object], name: str) -> float:
    """
    Return the time in a claim, in unix seconds, or 0 if it is missing.

    Raises:
        RequestError: it is not a time, or it is in milliseconds, a common mistake of JavaScript backends.
    """
    value = claims.get(name, 0)
    # Python's JSON accepts NaN, Infinity (which would never expire) and integers too large for a float.
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < MAX_TIME:
        raise RequestError(Code.UNAUTHORIZED, f"The token's `{name}` must be a number of unix seconds.")
    if value >= MILLISECONDS_FROM:
        shown = f"{value:,.0f}".replace(",", " ")
        detail = f"The token's `{name}` must be in unix seconds; {shown} looks like milliseconds."
        raise RequestError(Code.UNAUTHORIZED, detail)
    return float(value)


def _tag(given: str) -> str:
    try:
        return normalize_tag(given)
    except ValueError as error:
        raise RequestError(Code.UNAUTHORIZED, f"The token's `tag` is invalid: {error}.") from None
