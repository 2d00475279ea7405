"""Wiro's calls, answered from a recording."""

from tests import lab
from tests.lab import ended, picture, record, running, said, sent
from tests.sandbox.recording.client import MODEL, playing, to_the_end


async def test_a_task_of_an_unknown_model_is_played() -> None:
    """Frames have the task's own id and token, and wait for the client's subscription."""
    async with playing(*running(), *ended([picture()])) as client:
        task, token = await client.run()
        first = await client.detail(task)
        async with client.subscribed(token) as socket:
            frames = await to_the_end(socket)
        last = await client.detail(task)

    assert (first["status"], first["pexit"], first["outputs"]) == ("task_queue", None, [])
    assert [each["type"] for each in frames] == [*lab.STAGES, "task_end", "task_postprocess_end"]
    assert {(each["id"], each["tasktoken"]) for each in frames} == {(task, token)}
    assert (last["status"], last["pexit"]) == ("task_postprocess_end", "0")
    assert last["outputs"] == frames[-1]["message"]


async def test_cancel_and_kill_end_a_recorded_task() -> None:
    """Cancel works in the queue and Kill while the task runs; both end the recording."""
    async with playing(*running(), record(status="task_start"), record(at_s=3600, status="never")) as client:
        task, token = await client.run()
        refused = await client.post("Task/Kill", taskid=task)
        async with client.subscribed(token) as socket:
            await client.sandbox.until(task, lambda task: task.status == "task_start")
            too_late = await client.post("Task/Cancel", taskid=task)
            killed = await client.post("Task/Kill", socketaccesstoken=token)
            frames = await to_the_end(socket)

    assert not refused["result"]
    assert not too_late["result"]
    assert killed["tasklist"][0]["status"] == "task_cancel"
    assert frames[-1]["type"] == "task_cancel"


async def test_the_catalogue_has_the_models_of_the_recording() -> None:
    """A relay reads a model's inputs before it runs the model."""
    async with playing(sent("Run", model=MODEL)) as client:
        known = await client.post("Tool/Detail", slugowner="lab", slugproject="any")
        unknown = await client.post("Tool/Detail", slugowner="lab", slugproject="other")

    assert known["tool"][0]["parameters"] is None
    assert not unknown["result"]


async def test_files_can_be_missing_at_first() -> None:
    """Files without a recorded response are drawn."""
    lines = (
        record(outputs=[picture("a.png"), picture("b.png")]),
        said("cdn", path="a.png", status=404, times=2),
        said("cdn", path="b.png", body="R0lG", encoding="base64", headers={"Content-Type": "image/gif"}),
    )

    async with playing(*lines) as client:
        detail = await client.detail((await client.run())[0])
        late, other = (output["url"] for output in detail["outputs"])
        statuses = []
        for _ in range(3):
            async with client.http.get(late) as response:
                statuses.append((response.status, response.content_type))
        async with client.http.get(other) as response:
            gif = (response.content_type, await response.read())

    assert [status for status, _ in statuses] == [404, 404, 200]
    assert statuses[-1][1] == "image/png"
    assert gif == ("image/gif", b"GIF")


async def test_a_file_can_be_a_video() -> None:
    """The suffix of its name decides."""
    async with playing(record(outputs=[picture("a.mp4")])) as client:
        detail = await client.detail((await client.run())[0])
        async with client.http.get(detail["outputs"][0]["url"]) as response:
            assert response.content_type == "video/webm"
        async with client.http.get(f"{client.sandbox.origin}/cdn/unknown/a.mp4") as response:
            assert response.status == 404


async def test_a_recorded_task_accepts_any_body() -> None:
    """A body that cannot be parsed has no fields."""
    async with playing(record(status="task_start")) as client:
        async with client.http.post(f"{client.sandbox.api_url}/Run/{MODEL}", data=b"{") as response:
            started = await response.json()
        (run,) = client.sandbox.runs

    assert (started["result"], run.task_id, run.fields) == (True, started["taskid"], ())
