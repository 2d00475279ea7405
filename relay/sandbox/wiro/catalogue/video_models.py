"""A video model of ByteDance, with the name, inputs and texts of the real one."""

from dataclasses import replace

from relay.sandbox.wiro.catalogue.inputs import PROMPT, SEED, WATERMARK, same_labels
from relay.sandbox.wiro.models import Input, Model, Phase

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

SEEDANCE = Model(
    id=504,
    owner="ByteDance",
    project="image-to-video-seedance-v1",
    kind="video",
    title="image-to-video-seedance-v1",
    description="An image-to-video generation model that offers 5s or 10s videos, at 480p and 720p resolution",
    inputs=(
        Input(id="inputImageUrl", label="Image URL", type="text", note="First frame of the video"),
        replace(PROMPT, note="The prompt to generate the video."),
        Input(
            id="resolution",
            label="Resolution",
            type="select",
            note="Video resolution",
            default="480p",
            options=same_labels("480p", "720p"),
        ),
        Input(
            id="ratio",
            label="Ratio",
            type="select",
            default="16:9",
            options=same_labels("16:9", "4:3", "1:1", "3:4", "9:16", "21:9", "9:21"),
        ),
        Input(
            id="duration",
            label="Duration",
            type="select",
            note="Generated video duration in seconds.",
            default="5",
            options=same_labels("5", "10"),
        ),
        Input(id="fps", label="Fps", type="select", default="24", options=same_labels("24", "16")),
        WATERMARK,
        replace(SEED, default="false"),  # as on its page
        Input(
            id="camerafixed", label="Fix camera", type="select", default="false", options=same_labels("false", "true")
        ),
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
)
