"""
What a start token allows: the claims `models`, `limits` and `inputs`, as `POST /v1/tokens` takes them, too.

A claim that is not valid makes the token invalid: a mistake must not allow more than was meant.
"""

import math
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from relay.core.spending import TAG, Limit

_STRICT = ConfigDict(frozen=True, extra="forbid", strict=True)

MAX_RULES = 100
"""How many patterns of models, and how many inputs, a token may name."""

ModelPattern = Annotated[str, StringConstraints(max_length=201, pattern=r"^(\*|[A-Za-z0-9._*-]+/[A-Za-z0-9._*-]+)$")]

_BOUNDS = frozenset({"max", "min", "in"})


class StartLimits(BaseModel):
    """The limits of a tag. All of its tasks count, whatever has started them."""

    model_config = _STRICT

    running: Annotated[int, Field(ge=1, le=10_000)] | None = None
    """How many tasks may be unfinished at the same time."""
    per_hour: Annotated[int, Field(ge=1, le=10_000)] | None = None
    """How many tasks may be started within any 60 minutes."""
    spend_usd: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    """How much all tasks of the tag may ever cost."""
    spend_credits: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    """The same in credits."""

    def of_tag(self, tag: str) -> tuple[Limit, ...]:
        """Return the limits of a tag in the order in which they are checked."""
        account = TAG + tag
        given = {
            "running": self.running,
            "starts": self.per_hour,
            "usd": self.spend_usd,
            "credits": self.spend_credits,
        }
        return tuple(
            Limit(account=account, counted=counted, most=most)  # type: ignore[arg-type] # the keys are those of Counted
            for counted, most in given.items()
            if most is not None
        )


class StartRules(BaseModel):
    """What may be started. Null or empty: anything."""

    model_config = _STRICT

    models: Annotated[list[ModelPattern], Field(max_length=MAX_RULES)] | None = None
    """Models as `owner/name`, in any case; `*` stands for any text. Null: every model. Empty: none."""
    limits: StartLimits = StartLimits()
    inputs: Annotated[dict[str, Any], Field(max_length=MAX_RULES)] = {}
    """By the name of an input: its value, or its bounds as `{"max": n}`, `{"min": n}` or `{"in": [...]}`."""

    @field_validator("inputs")
    @classmethod
    def _check_bounds(cls, inputs: dict[str, Any]) -> dict[str, Any]:
        for name, rule in inputs.items():
            if not isinstance(rule, dict):
                continue
            if not rule or rule.keys() - _BOUNDS:
                raise ValueError(f"{name} must be a value, or bounds with `max`, `min` or `in`")
            for bound in ("max", "min"):
                if bound in rule and _number(rule[bound]) is None:
                    raise ValueError(f"`{bound}` of {name} must be a number")
            if "in" in rule and not (isinstance(rule["in"], list) and rule["in"]):
                raise ValueError(f"`in` of {name} must be a list of values")
        return inputs

    @property
    def is_empty(self) -> bool:
        """Whether it restricts nothing."""
        return self == StartRules()

    def allows_model(self, name: str) -> bool:
        """Return whether a model may be started."""
        return self.models is None or any(fnmatchcase(name.lower(), pattern.lower()) for pattern in self.models)

    def fixed(self) -> Mapping[str, Any]:
        """Return the inputs that have a fixed value."""
        return {name: rule for name, rule in self.inputs.items() if not isinstance(rule, dict)}

    def rule_of(self, name: str) -> str | None:
        """Return the name of the input that has a rule and differs from `name` in case only."""
        return next((each for each in self.inputs if each.casefold() == name.casefold()), None)

    def problem(self, name: str, value: object) -> str | None:
        """Return what the rule of an input allows if that is not this value; null if it is."""
        rule = self.inputs[name]
        if not isinstance(rule, dict):
            return None if _same(value, rule) else f"must be {_shown(rule)}"
        number = _number(value)
        if "max" in rule and (number is None or number > float(rule["max"])):
            return f"must be a number of at most {rule['max']}"
        if "min" in rule and (number is None or number < float(rule["min"])):
            return f"must be a number of at least {rule['min']}"
        if "in" in rule and not any(_same(value, each) for each in rule["in"]):
            return f"must be one of {', '.join(map(_shown, rule['in']))}"
        return None


def _number(value: object) -> float | None:
    """Return a number, or text that is one, as platforms take it."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _same(value: object, allowed: object) -> bool:
    """Return whether two values are the same to a platform, which takes `2` and `"2"` alike."""
    if isinstance(value, bool) or isinstance(allowed, bool):
        return _plain(value) == _plain(allowed)
    one, other = _number(value), _number(allowed)
    return value == allowed if one is None or other is None else one == other


def _plain(value: object) -> object:
    return str(value).lower() if isinstance(value, bool) else value


def _shown(value: object) -> str:
    return f"`{value}`" if isinstance(value, str | int | float) else repr(value)
