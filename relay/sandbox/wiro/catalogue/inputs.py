"""Inputs and phases that several models share, with the texts of Wiro's own pages."""

from relay.sandbox.wiro.models import Input, Phase


def same_labels(*values: str) -> dict[str, str]:
    """Return options whose labels are their values."""
    return {value: value for value in values}


PROMPT = Input(id="prompt", label="Prompt", type="textarea", required=True)
WATERMARK = Input(
    id="watermark",
    label="Watermark",
    type="select",
    note="Whether the generated image(s) contains a watermark.",
    default="false",
    options=same_labels("false", "true"),
)
SEED = Input(
    id="seed",
    label="Seed",
    type="number",
    note="Seed integer to control the randomness of generated content. Set -1 to random.",
)
IMAGE_PHASES = (
    Phase(label="Generate", steps=20, step_s=0.28),
    Phase(label="Decode", steps=4, step_s=0.15),
)
