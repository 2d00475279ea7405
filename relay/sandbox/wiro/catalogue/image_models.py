"""Image models of ByteDance, with the names, inputs and texts of the real ones."""

from dataclasses import replace

from relay.sandbox.wiro.catalogue.inputs import IMAGE_PHASES, PROMPT, SEED, WATERMARK
from relay.sandbox.wiro.models import Input, Model

_SIZES = {
    "2048x2048": "2048x2048 (1:1)",
    "2304x1728": "2304x1728 (4:3)",
    "1728x2304": "1728x2304 (3:4)",
    "2560x1440": "2560x1440 (16:9)",
    "1440x2560": "1440x2560 (9:16)",
    "2496x1664": "2496x1664 (3:2)",
    "1664x2496": "1664x2496 (2:3)",
    "3024x1296": "3024x1296 (21:9)",
}
_IMAGES_PROMPT = replace(
    PROMPT,
    note="Please provide how many images you want to generate in the prompt. Edit max images according to it.",
)
_SIZE = Input(id="size", label="Size", type="select", note="Video resolution", default="2048x2048", options=_SIZES)
_IMAGES = Input(
    id="maxImages",
    label="Maximum number of output images",
    type="number",
    note="This is the limiter for number of outputs. Number of input reference images smaller then or equal to 15.",
    default="1",
    minimum=1,
    maximum=15,
)
_IMAGE_INSPIRES = (
    (
        "A peaceful countryside farmhouse at sunrise, lavender fields stretching out, smoke rising from a chimney,"
        " calm and rustic."
    ),
    (
        "A serene desert landscape at dusk, a lone traveler riding a camel toward ancient ruins, golden sky with "
        "stars starting to appear."
    ),
    "A majestic white dragon perched on a snowy mountain peak, wings spread wide, glowing eyes, epic fantasy artwork.",
    (
        "A cozy library filled with towering bookshelves, warm golden light, a cat sleeping on a stack of books, "
        "whimsical atmosphere."
    ),
    (
        "A fairytale village in winter, snow-covered rooftops, glowing lanterns, children playing with snowmen in "
        "the street."
    ),
)

SEEDREAM_4 = Model(
    id=501,
    owner="ByteDance",
    project="text-to-image-seedream-v4",
    kind="image",
    title="text-to-image-seedream-v4",
    description="Text-to-image seedream v4 model from ByteDance",
    inputs=(_IMAGES_PROMPT, _SIZE, _IMAGES, WATERMARK),
    phases=IMAGE_PHASES,
    cps=0.003,
    computing_s=10,
    categories=("tool", "partner", "ByteDance", "text-to-image"),
    tags=("video generator", "ByteDance"),
    inspires=_IMAGE_INSPIRES,
    runs=672,
    failures=198,
    ratings=3,
    comments=1,
)
SEEDREAM_4_EDIT = Model(
    id=502,
    owner="ByteDance",
    project="seedream-v4",
    kind="image",
    title="seedream-v4",
    description="High resolution image generation and editing, with several pictures as input",
    inputs=(
        Input(id="inputImage", label="Input images", type="combinefileinput", max_files=14),
        _IMAGES_PROMPT,
        _SIZE,
        _IMAGES,
        WATERMARK,
    ),
    phases=IMAGE_PHASES,
    cps=0.003,
    computing_s=10,
    categories=("tool", "partner", "ByteDance", "text-to-image", "image-to-image", "image-editing"),
    tags=("ByteDance",),
    inspires=_IMAGE_INSPIRES,
    runs=2210,
    failures=41,
    ratings=12,
    comments=4,
)
SEEDREAM_3 = Model(
    id=503,
    owner="ByteDance",
    project="text-to-image-seedream-v3",
    kind="image",
    title="text-to-image-seedream-v3",
    description="Text-to-image seedream v3 model from ByteDance",
    inputs=(
        PROMPT,
        Input(id="size", label="Size", type="text", default="1024x1024"),
        WATERMARK,
        Input(id="guidanceScale", label="Guidance scale", type="number", default="2.5", minimum=1, maximum=10),
        SEED,
    ),
    phases=IMAGE_PHASES,
    cps=0.000585,
    computing_s=10,
    categories=("tool", "partner", "ByteDance", "text-to-image"),
    tags=("ByteDance",),
    inspires=_IMAGE_INSPIRES,
    runs=452,
    failures=21,
    ratings=2,
    comments=0,
)
