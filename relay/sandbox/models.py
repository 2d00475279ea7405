"""
The models that the sandbox offers: small data, no behaviour.

Four of them bear the names and inputs of real ones; `wiro/sandbox-chat` is made up, for streamed answers, and
`wiro/sandbox-collage`, which takes files in all three ways.
"""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["image", "video", "chat"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """
    One input of a model: its name, the form field it is drawn as, and what it takes.

    `least` and `most` bound a number; `most_files` makes it an input of files.
    """

    id: str
    label: str
    type: Literal["text", "textarea", "select", "number", "fileinput", "multifileinput", "combinefileinput"]
    default: str = ""
    options: tuple[str, ...] = ()
    required: bool = False
    least: int | None = None
    most: int | None = None
    most_files: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """A stretch of a run with a progress of its own, which begins again at 0."""

    label: str
    steps: int
    step_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One model. `cps` is its price: dollars for a second of the run."""

    id: int
    owner: str
    project: str
    kind: Kind
    title: str
    description: str
    inputs: tuple[Input, ...]
    phases: tuple[Phase, ...] = ()
    cps: float
    computing_s: int

    @property
    def slug(self) -> str:
        """`owner/project` as Wiro prints it; it is compared without regard to case."""
        return f"{self.owner}/{self.project}"


_SIZES = ("2048x2048", "2304x1728", "1728x2304", "2560x1440", "1440x2560", "2496x1664", "1664x2496", "3024x1296")
_PROMPT = Input(id="prompt", label="Prompt", type="textarea", required=True)
_SIZE = Input(id="size", label="Size", type="select", default="2048x2048", options=_SIZES)
_IMAGES = Input(id="maxImages", label="Maximum number of output images", type="number", default="1", least=1, most=15)
_WATERMARK = Input(id="watermark", label="Watermark", type="select", default="false", options=("false", "true"))
_SEED = Input(id="seed", label="Seed", type="number")
_PICTURE_PHASES = (
    Phase(label="Generate", steps=20, step_s=0.28),
    Phase(label="Decode", steps=4, step_s=0.15),
)

MODELS = (
    Model(
        id=501,
        owner="ByteDance",
        project="text-to-image-seedream-v4",
        kind="image",
        title="text-to-image-seedream-v4",
        description="Text-to-image seedream v4 model from ByteDance",
        inputs=(_PROMPT, _SIZE, _IMAGES, _WATERMARK),
        phases=_PICTURE_PHASES,
        cps=0.003,
        computing_s=10,
    ),
    Model(
        id=502,
        owner="ByteDance",
        project="seedream-v4",
        kind="image",
        title="seedream-v4",
        description="High resolution image generation and editing, with several pictures as input",
        inputs=(
            Input(id="inputImage", label="Input images", type="combinefileinput", most_files=14),
            _PROMPT,
            _SIZE,
            _IMAGES,
            _WATERMARK,
        ),
        phases=_PICTURE_PHASES,
        cps=0.003,
        computing_s=10,
    ),
    Model(
        id=503,
        owner="ByteDance",
        project="text-to-image-seedream-v3",
        kind="image",
        title="text-to-image-seedream-v3",
        description="Text-to-image seedream v3 model from ByteDance",
        inputs=(
            _PROMPT,
            Input(id="size", label="Size", type="text", default="1024x1024"),
            _WATERMARK,
            Input(id="guidanceScale", label="Guidance scale", type="number", default="2.5", least=1, most=10),
            _SEED,
        ),
        phases=_PICTURE_PHASES,
        cps=0.000585,
        computing_s=10,
    ),
    Model(
        id=504,
        owner="ByteDance",
        project="image-to-video-seedance-v1",
        kind="video",
        title="image-to-video-seedance-v1",
        description="An image-to-video generation model that offers 5s or 10s videos, at 480p and 720p resolution",
        inputs=(
            Input(id="inputImageUrl", label="Image URL", type="text"),
            _PROMPT,
            Input(id="resolution", label="Resolution", type="select", default="480p", options=("480p", "720p")),
            Input(
                id="ratio",
                label="Ratio",
                type="select",
                default="16:9",
                options=("16:9", "4:3", "1:1", "3:4", "9:16", "21:9", "9:21"),
            ),
            Input(id="duration", label="Duration", type="select", default="5", options=("5", "10")),
            Input(id="fps", label="Fps", type="select", default="24", options=("24", "16")),
            _WATERMARK,
            _SEED,
            Input(id="camerafixed", label="Fix camera", type="select", default="false", options=("false", "true")),
        ),
        phases=(
            Phase(label="Generate", steps=50, step_s=0.58),
            Phase(label="Encode", steps=12, step_s=0.4),
        ),
        cps=0.0045,
        computing_s=40,
    ),
    Model(
        id=505,
        owner="wiro",
        project="sandbox-chat",
        kind="chat",
        title="sandbox-chat",
        description="A made-up language model that thinks for a moment and then answers at length",
        inputs=(
            _PROMPT,
            Input(id="session_id", label="Session", type="text"),
            Input(id="user_id", label="User", type="text"),
        ),
        cps=0.0002,
        computing_s=8,
    ),
    Model(
        id=506,
        owner="wiro",
        project="sandbox-collage",
        kind="image",
        title="sandbox-collage",
        description="A made-up model that puts files together into a picture",
        inputs=(
            Input(id="inputImage", label="Input image", type="fileinput", required=True, most_files=1),
            Input(id="inputDocumentMultiple", label="Documents", type="multifileinput", most_files=3),
            Input(id="inputImageClothes", label="Clothes", type="combinefileinput", most_files=4),
            Input(id="prompt", label="Prompt", type="textarea"),
        ),
        phases=_PICTURE_PHASES,
        cps=0.003,
        computing_s=10,
    ),
)

_BY_SLUG = {model.slug.lower(): model for model in MODELS}


def find(owner: str, project: str) -> Model | None:
    """Return the model of that slug, in whatever case it is written, or null."""
    return _BY_SLUG.get(f"{owner}/{project}".lower())
