"""
Show a task as Task/Detail does.

Every number is text, a time that is not reached is "0", and `elapsedseconds` runs from accept to end. Times are real,
whatever the sandbox's speed.
"""

import orjson

from relay.sandbox.switches.faults import Faults
from relay.sandbox.wiro.answers import wrapped
from relay.sandbox.wiro.outputs import UUID, outputs, temporary_outputs
from relay.sandbox.wiro.record import STAGE_TIMES, Identity, Record
from relay.sandbox.wiro.timestamps import timestamp

_TIMES = ("createtime", *STAGE_TIMES.values())


def detail(task: Identity, record: Record) -> dict[str, object]:
    """Return the task as an entry of a `tasklist`."""
    faults, times = task.faults, record.times
    accepted, ended = times.get("accepttime"), times.get("endtime")
    elapsed_s = int(ended) - int(accepted) if accepted and ended else 0
    # Wiro bills only tasks that end with exit code 0.
    cost = task.model.cps * elapsed_s if record.exit_code == 0 else 0
    early = faults.outputs_early and "starttime" in times and not record.ended
    made = temporary_outputs(task) if early else outputs(task, record)
    parameters = dict(task.parameters)
    entry: dict[str, object] = {
        "taskid" if faults.aliases else "id": task.id,
        "uuid": UUID,
        "name": "",
        "socketaccesstoken": task.token,
        "parameters": orjson.dumps(parameters).decode() if faults.parameters_json else parameters,
        "debugoutput": wrapped(task, record.stdout),
        "debugerror": record.stderr,
        "starttime": timestamp(faults, times.get("starttime")),
        "endtime": timestamp(faults, times.get("endtime")),
        "elapsedseconds": f"{elapsed_s:.4f}",
        "status": record.status,
        "cps": f"{task.model.cps:.12f}",
        "totalcost": f"{cost:.12f}" if cost else "0",
        "guestid": None,
        "projectid": "699",
        "modelid": str(task.model.id),
        "description": "",
        "basemodelid": "0",
        "runtype": "model",
        "modelfolderid": "",
        "modelfileid": "",
        "callbackurl": task.callback_url,
        "marketplaceid": None,
        "modeldescription": task.model.description,
        "modelslugowner": task.model.owner,
        "modelslugproject": task.model.project,
        "categories": orjson.dumps(list(task.model.categories)).decode(),
        "size": str(sum(int(str(output.get("size", 0))) for output in made)),
        "output" if faults.aliases else "outputs": _outputs_as(made, faults),
    }
    if faults.stage_clock:
        entry |= {name: timestamp(faults, times.get(name)) for name in _TIMES}
    if not faults.pexit_missing:
        unknown = None if task.dialect == "gen2" else ""
        entry["pexit"] = unknown if record.exit_code is None else str(record.exit_code)
    return entry


def _outputs_as(made: list[dict[str, object]], faults: Faults) -> object:
    match faults.outputs:
        case "list":
            return made
        case "null":
            return None
        case "empty":
            return []
        case "holes":
            return [{}, *made, {}]
        case "json":
            return orjson.dumps(made).decode()
