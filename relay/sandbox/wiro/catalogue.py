"""
The models that the sandbox offers: small data, no behaviour.

Four of them have the names, inputs and texts of real ones; `wiro/sandbox-chat` is made up, for streamed answers, and
`wiro/sandbox-collage`, which takes files in all three ways.
"""

from dataclasses import replace

from relay.sandbox.wiro.models import Input, Model, Phase


def _same(*values: str) -> dict[str, str]:
    """Return options that are labeled as they are spelled."""
    return {value: value for value in values}


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
_PROMPT = Input(id="prompt", label="Prompt", type="textarea", required=True)
_IMAGES_PROMPT = replace(
    _PROMPT,
    note="Please provide how many images you want to generate in the prompt. Edit max images according to it.",
)
_SIZE = Input(id="size", label="Size", type="select", note="Video resolution", default="2048x2048", options=_SIZES)
_IMAGES = Input(
    id="maxImages",
    label="Maximum number of output images",
    type="number",
    note="This is the limiter for number of outputs. Number of input reference images smaller then or equal to 15.",
    default="1",
    least=1,
    most=15,
)
_WATERMARK = Input(
    id="watermark",
    label="Watermark",
    type="select",
    note="Whether the generated image(s) contains a watermark.",
    default="false",
    options=_same("false", "true"),
)
_SEED = Input(
    id="seed",
    label="Seed",
    type="number",
    note="Seed integer to control the randomness of generated content. Set -1 to random.",
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
_VIDEO_INSPIRES = (
    (
        "This is a photograph of a classic Ford Mustang parked on an open road with mountains in the background. "
        "Turn it into a short driving clip: the Mustang's engine revs, the wheels start spinning, and the camera "
        "tracks alongside as it accelerates down the highway at sunset, with dust kicking up behind."
    ),
    (
        "This is an outpainted panoramic cityscape showing a central modern skyscraper and extending architecture "
        "on both sides. Animate it by beginning zoomed in on the skyscraper's glass facade, then smoothly panning "
        "outward to reveal the full skyline, with clouds drifting overhead and distant traffic lights flickering "
        "to life."
    ),
    (
        "This is a portrait of a smiling couple standing in a park under a tree. Animate it by introducing slow-"
        "moving falling leaves in the background, a slight golden-hour glow shifting across their faces, and have "
        "them turn to walk hand-in-hand down a path that emerges from the frame."
    ),
)
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
        inputs=(_IMAGES_PROMPT, _SIZE, _IMAGES, _WATERMARK),
        phases=_PICTURE_PHASES,
        cps=0.003,
        computing_s=10,
        categories=("tool", "partner", "ByteDance", "text-to-image"),
        tags=("video generator", "ByteDance"),
        inspires=_IMAGE_INSPIRES,
        runs=672,
        failures=198,
        ratings=3,
        comments=1,
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
            _IMAGES_PROMPT,
            _SIZE,
            _IMAGES,
            _WATERMARK,
        ),
        phases=_PICTURE_PHASES,
        cps=0.003,
        computing_s=10,
        categories=("tool", "partner", "ByteDance", "text-to-image", "image-to-image", "image-editing"),
        tags=("ByteDance",),
        inspires=_IMAGE_INSPIRES,
        runs=2210,
        failures=41,
        ratings=12,
        comments=4,
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
        categories=("tool", "partner", "ByteDance", "text-to-image"),
        tags=("ByteDance",),
        inspires=_IMAGE_INSPIRES,
        runs=452,
        failures=21,
        ratings=2,
        comments=0,
    ),
    Model(
        id=504,
        owner="ByteDance",
        project="image-to-video-seedance-v1",
        kind="video",
        title="image-to-video-seedance-v1",
        description="An image-to-video generation model that offers 5s or 10s videos, at 480p and 720p resolution",
        inputs=(
            Input(id="inputImageUrl", label="Image URL", type="text", note="First frame of the video"),
            replace(_PROMPT, note="The prompt to generate the video."),
            Input(
                id="resolution",
                label="Resolution",
                type="select",
                note="Video resolution",
                default="480p",
                options=_same("480p", "720p"),
            ),
            Input(
                id="ratio",
                label="Ratio",
                type="select",
                default="16:9",
                options=_same("16:9", "4:3", "1:1", "3:4", "9:16", "21:9", "9:21"),
            ),
            Input(
                id="duration",
                label="Duration",
                type="select",
                note="Generated video duration in seconds.",
                default="5",
                options=_same("5", "10"),
            ),
            Input(id="fps", label="Fps", type="select", default="24", options=_same("24", "16")),
            _WATERMARK,
            replace(_SEED, default="false"),  # as its page has it
            Input(id="camerafixed", label="Fix camera", type="select", default="false", options=_same("false", "true")),
        ),
        phases=(
            Phase(label="Generate", steps=50, step_s=0.58),
            Phase(label="Encode", steps=12, step_s=0.4),
        ),
        cps=0.0045,
        computing_s=40,
        categories=("tool", "text-to-video", "image-to-video", "partner", "ByteDance", "use-agent"),
        tags=("video generator", "ByteDance"),
        inspires=_VIDEO_INSPIRES,
        runs=1304,
        failures=87,
        ratings=7,
        comments=2,
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
        categories=("tool", "llm"),
        tags=("wiro",),
        runs=90,
        failures=1,
        ratings=1,
        comments=1,
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
        categories=("tool", "image-to-image"),
        tags=("wiro",),
        runs=12,
        failures=0,
        ratings=0,
        comments=0,
    ),
)

_BY_SLUG = {model.slug.lower(): model for model in MODELS}


def find(owner: str, project: str) -> Model | None:
    """Return the model of that slug, in whatever case it is written, or null."""
    return _BY_SLUG.get(f"{owner}/{project}".lower())
