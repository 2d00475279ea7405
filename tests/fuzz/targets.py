"""All fuzz targets."""

from tests.fuzz import callers, live, upstream
from tests.fuzz.target import Target

TARGETS: tuple[Target, ...] = (*upstream.TARGETS, *callers.TARGETS, *live.TARGETS)
