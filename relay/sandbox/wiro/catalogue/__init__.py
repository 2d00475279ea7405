"""The models that the sandbox offers."""

from relay.sandbox.wiro.catalogue.image_models import SEEDREAM_3, SEEDREAM_4, SEEDREAM_4_EDIT
from relay.sandbox.wiro.catalogue.sandbox_models import CHAT, COLLAGE
from relay.sandbox.wiro.catalogue.video_models import SEEDANCE
from relay.sandbox.wiro.models import Model

MODELS = (SEEDREAM_4, SEEDREAM_4_EDIT, SEEDREAM_3, SEEDANCE, CHAT, COLLAGE)

_BY_SLUG = {model.slug.lower(): model for model in MODELS}


def find(owner: str, project: str) -> Model | None:
    """Return the model with this owner and project, regardless of case, or None."""
    return _BY_SLUG.get(f"{owner}/{project}".lower())
