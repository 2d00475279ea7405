"""Models that exist only in the sandbox: one that streams answers, and one with every kind of file input."""

from dataclasses import replace

from relay.sandbox.wiro.catalogue.inputs import IMAGE_PHASES, PROMPT
from relay.sandbox.wiro.models import Input, Model

CHAT = Model(
    id=505,
    owner="wiro",
    project="sandbox-chat",
    kind="chat",
    title="sandbox-chat",
    description="A made-up language model that thinks for a moment and then answers at length",
    inputs=(
        replace(PROMPT, required=False),
        Input(id="session_id", label="Session", type="text"),
        Input(id="user_id", label="User", type="text"),
        *(
            Input(id=name, label=name, type="json", advanced=True)
            for name in ("messages", "tools", "tool_choice", "parallel_tool_calls", "toolOutputs")
        ),
        Input(id="previousTaskToken", label="Previous task", type="text", advanced=True),
    ),
    cps=0.0002,
    computing_s=8,
    categories=("tool", "llm", "llm-tool-call"),
    tags=("wiro",),
    runs=90,
    failures=1,
    ratings=1,
    comments=1,
)
COLLAGE = Model(
    id=506,
    owner="wiro",
    project="sandbox-collage",
    kind="image",
    title="sandbox-collage",
    description="A made-up model that puts files together into a picture",
    inputs=(
        Input(id="inputImage", label="Input image", type="fileinput", required=True, max_files=1),
        Input(id="inputDocumentMultiple", label="Documents", type="multifileinput", max_files=3),
        Input(id="inputImageClothes", label="Clothes", type="combinefileinput", max_files=4),
        Input(id="prompt", label="Prompt", type="textarea"),
    ),
    phases=IMAGE_PHASES,
    cps=0.003,
    computing_s=10,
    categories=("tool", "image-to-image"),
    tags=("wiro",),
    runs=12,
    failures=0,
    ratings=0,
    comments=0,
)
