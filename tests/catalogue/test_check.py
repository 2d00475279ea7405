"""Tests for the check: every input of every model, the form that is sent, and one error per rule."""

from collections.abc import Mapping

import pytest

from relay.catalogue.catalogue import load
from relay.catalogue.check import MAX_UNKNOWN, Offer, check
from relay.catalogue.model import Input, Model

CATALOGUE = load()
IMAGE, EDIT, IMAGE_3, VIDEO, APIKLEY = CATALOGUE
URL = "https://example.com/1.jpg"
OTHER = "https://example.com/2.jpg"

SELECTS = [
    (model, each, option.value)
    for model in CATALOGUE
    for each in model.inputs
    if each.type == "select"
    for option in each.options
]


def sent(model: Model, **given: object) -> dict[str, object]:
    """Return what is sent for a prompt and these valid inputs."""
    taken, faults = check(model, {"prompt": "a cat", **given})
    assert faults == ()
    return taken


def refusal(model: Model, given: Mapping[str, object]) -> tuple[str, str]:
    """Return the only error of an input: its field and its message."""
    _, (fault,) = check(model, given)
    return fault.field, fault.message


def model_of(*inputs: Input, closed: bool = True) -> Model:
    return Model(provider="wiro", model="some/body", run_as="some/body", title="", inputs=inputs, closed=closed)


def test_all_documented_options_are_in_the_catalogue() -> None:
    """Eight sizes and so on; otherwise a missing option would go unnoticed."""
    counts = {(model.model.split("/")[1], each.name): len(each.options) for model, each, _ in SELECTS}

    assert counts == {
        ("text-to-image-seedream-v4", "size"): 8,
        ("text-to-image-seedream-v4", "watermark"): 2,
        ("seedream-v4", "size"): 8,
        ("seedream-v4", "watermark"): 2,
        ("text-to-image-seedream-v3", "watermark"): 2,
        ("image-to-video-seedance-v1", "resolution"): 2,
        ("image-to-video-seedance-v1", "ratio"): 7,
        ("image-to-video-seedance-v1", "duration"): 2,
        ("image-to-video-seedance-v1", "fps"): 2,
        ("image-to-video-seedance-v1", "watermark"): 2,
        ("image-to-video-seedance-v1", "camerafixed"): 2,
        ("seedream-v4-text-to-image", "image_size"): 9,
        ("seedream-v4-text-to-image", "image_resolution"): 3,
    }


@pytest.mark.parametrize(("model", "each", "value"), SELECTS, ids=lambda value: getattr(value, "name", None))
def test_every_option_of_every_select_is_sent_as_it_is(model: Model, each: Input, value: str) -> None:
    """An option is sent in its documented form."""
    assert sent(model, **{each.name: value})[each.name] == value


@pytest.mark.parametrize(
    ("model", "each"), [*{(model.model, each.name): (model, each) for model, each, _ in SELECTS}.values()]
)
def test_an_invalid_option_is_rejected_with_the_valid_ones(model: Model, each: Input) -> None:
    """The message lists every option."""
    values: list[object] = ["nothing", "", None, [each.options[0].value], {}]
    for value in values:
        field, message = refusal(model, {"prompt": "a cat", each.name: value})
        assert field == f"input.{each.name}"
        assert message == f"must be one of {', '.join(option.value for option in each.options)}"


@pytest.mark.parametrize(
    ("model", "name", "given", "goes"),
    [
        (IMAGE, "maxImages", 2, 2),
        (IMAGE, "maxImages", "2", 2),
        (IMAGE, "maxImages", 2.0, 2),
        (IMAGE, "maxImages", " 2 ", 2),
        (IMAGE, "watermark", True, "true"),
        (IMAGE, "watermark", False, "false"),
        (VIDEO, "duration", 10, "10"),
        (VIDEO, "fps", 16.0, "16"),
        (VIDEO, "camerafixed", True, "true"),
        (VIDEO, "seed", None, None),
        (VIDEO, "seed", "7", 7),
        (VIDEO, "inputImageUrl", "image-to-video-seedance-v1-input.jpg", "image-to-video-seedance-v1-input.jpg"),
        (IMAGE_3, "guidanceScale", 2.5, "2.5"),
        (IMAGE_3, "guidanceScale", "2.5", "2.5"),
        (IMAGE_3, "seed", 7, "7"),
        (IMAGE_3, "size", "512x2048", "512x2048"),
        (APIKLEY, "seed", 7, 7),
        (EDIT, "inputImage", URL, [URL]),
        (EDIT, "inputImage", [URL, URL], [URL, URL]),
    ],
)
def test_an_equivalent_value_is_sent_as_documented(model: Model, name: str, given: object, goes: object) -> None:
    """The caller may send 1 or "1", false or "false"; the platform gets the documented form."""
    value = sent(model, **{name: given})[name]

    assert (value, type(value)) == (goes, type(goes))


@pytest.mark.parametrize(
    ("model", "name", "fits", "too_much", "message"),
    [
        (IMAGE, "maxImages", (1, 15), (0, 16, -1), "must be between 1 and 15"),
        (EDIT, "maxImages", (1, 15), (0, 16), "must be between 1 and 15"),
        (IMAGE_3, "guidanceScale", (1, 10), (0.99, 10.01), "must be between 1 and 10"),
        (IMAGE_3, "seed", (-1, 2147483647), (-2, 2147483648), "must be between -1 and 2147483647"),
        (VIDEO, "seed", (-1, 4294967295), (-2, 4294967296), "must be between -1 and 4294967295"),
        (APIKLEY, "max_images", (1, 6), (0, 7), "must be between 1 and 6"),
        (APIKLEY, "seed", (-(2**53) + 1, 2**53 - 1), (-(2**53), 2**53), None),
        (
            APIKLEY,
            "prompt",
            ("x" * 5000, "é" * 5000),
            ("x" * 5001,),
            "takes at most 5000 characters; this one has 5001",
        ),
        (EDIT, "inputImage", ([URL], [URL] * 14), ([URL] * 15,), "takes at most 14 entries; 15 were given"),
    ],
)
def test_limits_are_inclusive(
    model: Model, name: str, fits: tuple[object, ...], too_much: tuple[object, ...], message: str | None
) -> None:
    """Each limit is tested from both sides."""
    for value in fits:
        assert name in sent(model, **{name: value})
    for value in too_much:
        field, said = refusal(model, {"prompt": "a cat", name: value})
        assert field == f"input.{name}"
        assert message in (None, said)


@pytest.mark.parametrize(
    "value", ["many", "1e3", "0x1", "\u0661", True, None, [1], {}, float("inf"), float("nan"), 1.5]
)
def test_an_invalid_integer_is_rejected(value: object) -> None:
    """This includes values that Python accepts as integers."""
    assert refusal(IMAGE, {"prompt": "a cat", "maxImages": value}) == ("input.maxImages", "must be an integer")


@pytest.mark.parametrize("blank", ["", " ", "\n"])
def test_an_empty_string_for_a_number_counts_as_missing(blank: str) -> None:
    """Clients send it for every unset number; the default applies, or the number is reported as required."""
    steps = Input(name="steps", label="", type="number", integer=True, minimum=1.0, required=True)

    assert sent(IMAGE, maxImages=blank)["maxImages"] == 1
    assert sent(VIDEO, seed=blank)["seed"] is None
    assert "seed" not in sent(APIKLEY, seed=blank)
    assert refusal(model_of(steps), {"steps": blank}) == ("input.steps", "is required")


def test_an_empty_string_is_a_valid_text() -> None:
    """Kling V3 requires `multiPrompt` even if it is empty."""
    model = model_of(Input(name="multiPrompt", label="", type="textarea"))

    assert check(model, {"multiPrompt": ""}) == ({"multiPrompt": ""}, ())
    assert check(model, {}) == ({}, ())


def test_an_invalid_number_is_rejected() -> None:
    """If fractions are allowed, the message says so."""
    assert refusal(IMAGE_3, {"prompt": "a cat", "guidanceScale": "much"})[1] == "must be a number"


@pytest.mark.parametrize("model", [IMAGE, EDIT, IMAGE_3, APIKLEY], ids=lambda model: model.model)
def test_a_prompt_is_required_and_not_blank(model: Model) -> None:
    """A run without a prompt is billed and produces nothing useful."""
    assert refusal(model, {}) == ("input.prompt", "is required")
    assert refusal(model, {"prompt": " \n"}) == ("input.prompt", "is required: it must not be blank")
    for value in (None, True, ["a cat"], {"text": "a cat"}):
        assert refusal(model, {"prompt": value}) == ("input.prompt", "must be a string")


def test_the_video_model_has_a_default_prompt() -> None:
    """It is the documented default."""
    taken, faults = check(VIDEO, {})

    assert faults == ()
    assert str(taken["prompt"]).startswith("A skier glides over fresh snow")


@pytest.mark.parametrize("model", [*CATALOGUE], ids=lambda model: model.model)
def test_an_unknown_name_is_rejected_with_the_valid_ones(model: Model) -> None:
    """A misspelled name must not silently select the default."""
    field, message = refusal(model, {"prompt": "a cat", "sizes": "1K"})

    assert field == "input.sizes"
    assert message.endswith(f"its inputs are {', '.join(each.name for each in model.inputs)}")


def test_the_number_of_reported_unknown_names_is_limited() -> None:
    """A body full of them must not cause an even larger response."""
    _, faults = check(IMAGE, {"prompt": "a cat"} | {f"{number}{'x' * 5000}": 1 for number in range(500)})

    assert len(faults) == MAX_UNKNOWN
    assert all(len(fault.field) < 120 for fault in faults)


def test_an_invalid_size_is_rejected_with_an_example() -> None:
    """The message describes the pattern in words."""
    for value in ("big", "1024", "1024x", "0x1024", "1024x1024\n", "99999x1024"):
        field, message = refusal(IMAGE_3, {"prompt": "a cat", "size": value})
        assert (field, message) == ("input.size", "must be a width and a height in pixels, as in 1024x1024")


@pytest.mark.parametrize("entry", ["cat.jpg", "ftp://example.com/1.jpg", "https://a b", "", 7, None])
def test_an_invalid_url_is_named_by_its_index(entry: object) -> None:
    """The error names the index of the entry."""
    field, message = refusal(EDIT, {"prompt": "a cat", "inputImage": [URL, URL, entry]})

    assert (field, message) == ("input.inputImage.2", "must be a URL that begins with https:// or http://")


def test_an_empty_list_of_images_counts_as_missing() -> None:
    """It is left out, as in the documented request without images."""
    assert "inputImage" not in sent(EDIT, inputImage=[])


def test_all_errors_are_reported_together() -> None:
    """The caller can correct all fields at once."""
    _, faults = check(VIDEO, {"ratio": "2:1", "seed": "pi", "colour": "red"})

    assert [fault.field for fault in faults] == ["input.ratio", "input.seed", "input.colour"]


def test_no_message_quotes_a_value() -> None:
    """Prompts are private, and responses may be logged elsewhere."""
    secret = "hunter2"
    given = {"prompt": [secret], "size": secret, "maxImages": secret, "watermark": secret, "inputImage": [secret]}
    _, faults = check(EDIT, given)

    assert len(faults) == 5
    assert secret not in str(faults)


def png(name: str, count: int = 1) -> list[Offer]:
    return [Offer(input=name, content_type="image/png")] * count


def file_refusal(model: Model, given: Mapping[str, object], offers: list[Offer]) -> tuple[str, str]:
    """Return the only error of an input with these files: its field and its message."""
    _, (fault,) = check(model, given, offers)
    return fault.field, fault.message


class TestFiles:
    """Tests for files: their number, their types, and URLs in addition to them."""

    ONE = model_of(Input(name="image", label="", type="fileinput", required=True))
    SEVERAL = model_of(Input(name="pages", label="", type="multifileinput", required=True, max_items=3))

    @pytest.mark.parametrize("files", [1, 14])
    def test_images_may_be_files_urls_or_both(self, files: int) -> None:
        """At most 14 in total; URLs are sent unchanged, and an empty list is left out."""
        given = {"prompt": "a cat", "inputImage": [URL] * (14 - files)}
        sent, faults = check(EDIT, given, png("inputImage", files))

        assert faults == ()
        assert sent.get("inputImage", []) == [URL] * (14 - files)

    def test_a_fifteenth_image_is_rejected(self) -> None:
        """In any combination of files and URLs."""
        said = ("input.inputImage", "takes at most 14 entries; 15 were given")

        assert file_refusal(EDIT, {"prompt": "a cat"}, png("inputImage", 15)) == said
        assert file_refusal(EDIT, {"prompt": "a cat", "inputImage": [URL] * 14}, png("inputImage")) == said

    @pytest.mark.parametrize("content_type", ["application/pdf", None])
    def test_a_file_of_another_type_is_rejected(self, content_type: str | None) -> None:
        """This includes a file of an unknown type."""
        field, message = file_refusal(EDIT, {"prompt": "x"}, [Offer(input="inputImage", content_type=content_type)])

        assert field == "input.inputImage"
        assert message == (
            "takes files of image/jpeg, image/png, image/webp, image/gif, image/heic; "
            f"this one is {content_type or 'of an unknown type'}"
        )

    def test_a_file_for_another_input_is_rejected(self) -> None:
        """For an input that does not take files, or for an unknown name."""
        assert file_refusal(EDIT, {"prompt": "x"}, png("prompt")) == ("input.prompt", "does not take files")
        assert file_refusal(EDIT, {"prompt": "x"}, png("mask"))[0] == "input.mask"
        assert check(model_of(closed=False), {}, png("mask"))[1] == ()

    def test_a_file_input_takes_one_file_or_one_url(self) -> None:
        """A `fileinput` does not take both, but an empty URL next to a file is ignored."""
        said = ("input.image", "takes one file, or one URL")

        assert check(self.ONE, {}, png("image")) == ({}, ())
        assert check(self.ONE, {"imageUrl": ""}, png("image")) == ({}, ())
        assert file_refusal(self.ONE, {"imageUrl": URL}, png("image")) == said
        assert file_refusal(self.ONE, {}, png("image", 2)) == said

    def test_files_and_urls_are_counted_together(self) -> None:
        """The URLs are comma-separated in one string."""
        assert check(self.SEVERAL, {"pagesUrl": f"{URL},{URL}"}, png("pages")) == ({"pagesUrl": f"{URL},{URL}"}, ())
        assert file_refusal(self.SEVERAL, {"pagesUrl": f"{URL},{URL}"}, png("pages", 2)) == (
            "input.pagesUrl",
            "takes at most 3 entries; 4 were given",
        )

    def test_a_missing_file_is_not_reported_while_more_may_follow(self) -> None:
        """Other errors are reported."""
        assert check(self.ONE, {}, more=True) == ({}, ())
        assert [fault.field for fault in check(self.ONE, {"x": 1}, more=True)[1]] == ["input.x"]
        assert file_refusal(self.ONE, {}, []) == ("input.imageUrl", "is required")


class TestTwins:
    """Tests for URLs under both names of an input: `inputImage` and `inputImageUrl`."""

    ONE = model_of(Input(name="image", label="", type="fileinput"))
    NEEDED = model_of(Input(name="image", label="", type="fileinput", required=True))
    SEVERAL = model_of(Input(name="pages", label="", type="multifileinput", max_items=3))
    MIXED = model_of(Input(name="images", label="", type="combinefileinput", required=True, max_items=3))

    @pytest.mark.parametrize(
        ("given", "goes"),
        [
            ({"inputImageUrl": ""}, None),
            ({"inputImageUrl": URL}, [URL]),
            ({"inputImage": [], "inputImageUrl": URL}, [URL]),
            ({"inputImage": "", "inputImageUrl": URL}, [URL]),
            ({"inputImage": [URL], "inputImageUrl": ""}, [URL]),
            ({"inputImage": [URL], "inputImageUrl": OTHER}, [URL, OTHER]),
            ({"inputImageUrl": f"{URL}, {OTHER}"}, [URL, OTHER]),
            ({"inputImageUrl": [URL, OTHER]}, [URL, OTHER]),
            ({"inputImageUrl": f"{URL},b"}, [f"{URL},b"]),
        ],
    )
    def test_a_list_of_files_takes_a_url_under_its_alias(self, given: dict[str, object], goes: object) -> None:
        """The official n8n node always sends the alias; the documented list is sent to the platform."""
        taken = sent(EDIT, **given)

        assert taken.get("inputImage") == goes
        assert "inputImageUrl" not in taken

    @pytest.mark.parametrize(
        ("given", "goes"),
        [
            ({"imageUrl": URL}, {"imageUrl": URL}),
            ({"image": URL}, {"imageUrl": URL}),
            ({"image": "", "imageUrl": URL}, {"imageUrl": URL}),
            ({"image": URL, "imageUrl": ""}, {"imageUrl": URL}),
            ({"image": URL, "imageUrl": URL}, {"imageUrl": URL}),
            ({"image": "", "imageUrl": ""}, {}),
            ({"imageUrl": ""}, {}),
        ],
    )
    def test_one_file_takes_one_url_under_either_name(self, given: dict[str, object], goes: object) -> None:
        """An empty URL counts as missing."""
        assert check(self.ONE, given) == (goes, ())

    @pytest.mark.parametrize(
        ("given", "goes"),
        [
            ({"pagesUrl": f"{URL},{OTHER}"}, f"{URL},{OTHER}"),
            ({"pages": f"{URL},{OTHER}"}, f"{URL},{OTHER}"),
            ({"pages": [URL, OTHER]}, f"{URL},{OTHER}"),
            ({"pages": [URL], "pagesUrl": OTHER}, f"{OTHER},{URL}"),
            ({"pages": [], "pagesUrl": OTHER}, OTHER),
        ],
    )
    def test_several_files_take_urls_under_either_name(self, given: dict[str, object], goes: object) -> None:
        """As a list or as a comma-separated string."""
        assert check(self.SEVERAL, given) == ({"pagesUrl": goes}, ())

    def test_what_is_required_is_required_under_one_of_both_names(self) -> None:
        """An empty value does not satisfy the requirement."""
        blank: tuple[dict[str, object], ...] = ({}, {"imageUrl": ""}, {"image": ""}, {"image": "", "imageUrl": ""})
        for given in blank:
            assert refusal(self.NEEDED, given) == ("input.imageUrl", "is required")
        empty: tuple[dict[str, object], ...] = ({}, {"imagesUrl": ""}, {"images": []})
        for given in empty:
            assert refusal(self.MIXED, given) == ("input.images", "is required")
        assert check(self.MIXED, {"imagesUrl": URL})[1] == ()

    def test_an_error_uses_the_name_that_was_given(self) -> None:
        """It includes the index in a list."""
        no_address = "must be a URL that begins with https:// or http://"

        assert refusal(self.ONE, {"image": URL, "imageUrl": OTHER})[1] == "takes one file, or one URL"
        assert refusal(self.ONE, {"imageUrl": "cat.jpg"}) == ("input.imageUrl", no_address)
        assert refusal(self.MIXED, {"images": [URL], "imagesUrl": "cat.jpg"}) == ("input.imagesUrl.0", no_address)
        assert refusal(self.SEVERAL, {"pages": [URL, 7]}) == ("input.pages.1", no_address)
        too_many = {"images": [URL] * 3, "imagesUrl": URL}
        assert refusal(self.MIXED, too_many)[1] == "takes at most 3 entries; 4 were given"
        assert file_refusal(self.ONE, {"image": URL}, png("image")) == ("input.image", "takes one file, or one URL")
        assert check(self.ONE, {"image": "", "imageUrl": ""}, png("image")) == ({}, ())

    def test_an_input_with_the_name_of_an_alias_is_independent(self) -> None:
        """Some models have two different inputs with these names."""
        model = model_of(
            Input(name="image", label="", type="combinefileinput"), Input(name="imageUrl", label="", type="text")
        )

        assert check(model, {"image": [URL], "imageUrl": "cat"}) == ({"image": [URL], "imageUrl": "cat"}, ())

    def test_an_input_of_an_unknown_type_may_be_a_file(self) -> None:
        """So its alias is not an unknown name."""
        model = model_of(Input(name="mask", label="", type="other", required=True))

        assert check(model, {"maskUrl": URL}) == ({"maskUrl": URL}, ())
        assert refusal(model, {}) == ("input.mask", "is required")


class TestDescribed:
    """Tests for models that only the platform describes."""

    def test_a_file_is_given_by_its_url(self) -> None:
        """It is `inputImageUrl` for `inputImage`; the error for the latter says so."""
        model = model_of(Input(name="inputImage", label="", type="fileinput", required=True))

        assert check(model, {"inputImageUrl": URL})[1] == ()
        assert refusal(model, {}) == ("input.inputImageUrl", "is required")
        assert refusal(model, {"inputImageUrl": "cat.jpg"})[0] == "input.inputImageUrl"
        _, faults = check(model, {"inputImage": "cat.jpg", "inputImageUrl": URL})
        said = "takes a file: upload it under this name, or give its URL as inputImageUrl"
        assert [fault.message for fault in faults] == [said]

    def test_several_files_are_given_in_one_string(self) -> None:
        """The alias takes comma-separated URLs."""
        model = model_of(Input(name="images", label="", type="multifileinput", required=True))

        assert check(model, {"imagesUrl": f"{URL},{URL}"})[1] == ()
        assert refusal(model, {"imagesUrl": [URL]})[1] == "must be comma-separated URLs"
        assert refusal(model, {"imagesUrl": " "})[1] == "must be comma-separated URLs"

    def test_an_input_of_an_unknown_type_accepts_anything(self) -> None:
        """A type that is not understood is not restricted."""
        model = model_of(Input(name="region", label="", type="other"))

        assert check(model, {"region": {"x": [1, None]}}) == ({"region": {"x": [1, None]}}, ())

    def test_a_partly_described_model_accepts_other_inputs(self) -> None:
        """Unknown names are accepted, known ones are checked."""
        model = model_of(Input(name="steps", label="", type="number", minimum=1.0), closed=False)

        assert check(model, {"steps": 1, "more": True}) == ({"steps": 1, "more": True}, ())
        assert refusal(model, {"steps": 0, "more": True}) == ("input.steps", "must be at least 1")

    def test_a_range_may_have_one_limit(self) -> None:
        """The message states only that limit."""
        model = model_of(Input(name="steps", label="", type="number", maximum=2.5))

        assert refusal(model, {"steps": 3}) == ("input.steps", "must be at most 2.5")

    def test_required_images_are_at_least_one(self) -> None:
        """An empty list counts as missing."""
        model = model_of(Input(name="images", label="", type="combinefileinput", required=True))

        assert refusal(model, {"images": []}) == ("input.images", "is required")
