"""The documents match the code: names, codes, URLs, settings and options are the same, and no link is broken."""

import ast
import inspect
import re
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints
from urllib.parse import unquote

import orjson
import pytest
import typer.main
from pydantic import TypeAdapter
from typer.models import CommandInfo

from relay.app import Running
from relay.catalogue.model import InputType
from relay.cli.main import cli
from relay.config import Config
from relay.config.settings import GROUPS
from relay.core.codec import DATA_BY_TYPE, EVENT_TYPES, decode_event, encode_event
from relay.core.events import Append, Done, Eta, Event, LateLog, Output, Phase, Progress, Remaining, Source, State
from relay.core.snapshot import Snapshot
from relay.environment import FILE
from relay.errors import Code, FieldError, UpstreamFault
from relay.hub import close_codes
from relay.hub.close_codes import Close
from relay.sandbox.switches import faults
from relay.sandbox.switches.faults import Faults
from relay.sandbox.switches.values import STAGES
from relay.web.api import openapi
from relay.web.api.responses import AuditRecord
from relay.web.api.task_bodies import StartBody
from relay.web.application import application
from relay.web.http.problems import STATUS
from relay.web.live import messages
from tests.by_file import ROOT, by_file, path_of

CLI = (ROOT / "docs/cli.md").read_text(encoding="utf-8")
CONFIGURATION = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
PROTOCOL = (ROOT / "docs/protocol.md").read_text(encoding="utf-8")
_FOUND = {*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("tests/**/*.md")}
DOCUMENTS = sorted(path for path in _FOUND if "node_modules" not in path.parts)

OTHER_VARIABLES = {"RELAY_KEY", "RELAY_URL", "WIRO_SOCKET", "RELAY_PORTS", "WIRO_API_BASE_URL"}
"""Variables in the documents that are not settings of the relay."""

_CODE = re.compile(r"`([^`]+)`")
_CELL = re.compile(r"(?<!\\)\|")
_FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def named_in_documents(pattern: str) -> list[tuple[str, str]]:
    """Return what the group of the pattern finds in all documents, each with the path of its document."""
    texts = [(path_of(path), path.read_text(encoding="utf-8")) for path in DOCUMENTS]
    return [(path, name) for path, text in texts for name in re.findall(pattern, text, re.MULTILINE)]


def rows(text: str, *head: str) -> list[list[str]]:
    """Return the cells of the only table with these first head cells."""
    found: list[list[list[str]]] = []
    table: list[list[str]] = []
    for line in [*text.splitlines(), ""]:
        if line.startswith("|"):
            table.append([cell.strip() for cell in _CELL.split(line)[1:-1]])
        elif table:
            if table[0][: len(head)] == [*head]:
                found.append(table[2:])
            table = []
    assert len(found) == 1, f"one table with the head {head} expected, found {len(found)}"
    return found[0]


def names(cell: str) -> list[str]:
    """Return the texts in backticks."""
    return _CODE.findall(cell)


def section(heading: str) -> str:
    """Return the text of the protocol between a heading and the next one."""
    return PROTOCOL.partition(f"# {heading}\n")[2].partition("\n#")[0]


def firsts(text: str, *head: str) -> list[str]:
    """Return the names in the first column of a table."""
    return [name for row in rows(text, *head) for name in names(row[0])]


def json_examples(text: str) -> list[dict[str, Any]]:
    return [orjson.loads(body) for language, body in _FENCED.findall(text) if language == "json"]


def field_names(kind: type[Any]) -> list[str]:
    return [field.name for field in fields(kind)]


def data_fields(event_type: str) -> set[str]:
    """Return the fields that an event of this type may carry as its data."""
    schema = DATA_BY_TYPE[event_type].json_schema()
    kinds = [schema, *(schema["$defs"][one["$ref"].rsplit("/")[-1]] for one in schema.get("anyOf", ()))]
    return {name for kind in kinds for name in kind.get("properties", ())}


class TestProtocol:
    """docs/protocol.md describes everything that the relay sends and accepts, and nothing else."""

    def test_it_has_every_event_type_with_its_data(self) -> None:
        """An event is documented with the fields that its data has."""
        said = {names(row[0])[0]: set(names(row[1])) for row in rows(PROTOCOL, "type", "data", "meaning")}
        assert said == {event_type: data_fields(event_type) for event_type in EVENT_TYPES}

    def test_it_has_the_fields_of_an_event(self) -> None:
        """The fields of an event are documented, in order."""
        assert firsts(section("3. Events"), "field", "meaning") == field_names(Event)

    def test_it_has_every_snapshot_field(self) -> None:
        """The fields of a snapshot are documented, in order."""
        assert firsts(section("4. Snapshot"), "field", "meaning") == field_names(Snapshot)

    @pytest.mark.parametrize(
        ("word", "kind"),
        [
            ("progress", Progress),
            ("eta", Eta),
            ("eta of a task", Remaining),
            ("phase", Phase),
            ("log", LateLog),
            ("append", Append),
            ("output", Output),
            ("done", Done),
        ],
    )
    def test_it_has_the_fields_of_each_value(self, word: str, kind: type[Any]) -> None:
        """Each value in the data of an event has a table."""
        assert set(firsts(PROTOCOL, word, "meaning")) == set(field_names(kind))

    def test_it_has_every_state_in_order(self) -> None:
        """States are documented in the order in which a task can go."""
        assert firsts(PROTOCOL, "state", "from") == [state.value for state in State]

    def test_it_has_every_source(self) -> None:
        """Each source is documented, in order."""
        assert firsts(PROTOCOL, "source", "meaning") == [source.value for source in Source]

    def test_it_has_every_problem_code_with_its_status(self) -> None:
        """A problem's code and status are documented together."""
        said = {names(row[0])[0]: int(row[1]) for row in rows(PROTOCOL, "code", "status", "meaning")}
        assert said == {code.value: STATUS[code] for code in Code}

    def test_it_has_every_close_code(self) -> None:
        """Each close code is documented."""
        codes = {close.code for close in vars(close_codes).values() if isinstance(close, Close)}
        said = {int(row[0]) for row in rows(PROTOCOL, "code", "reason")}
        assert said == codes | {close_codes.protocol_error("").code}

    def test_it_names_no_other_close_code(self) -> None:
        """A close code in the text is in the table, or is a bound of the two ranges."""
        said = {int(row[0]) for row in rows(PROTOCOL, "code", "reason")}
        bounds = {4000, 4499, 4500, 4999}
        prose = _FENCED.sub("", PROTOCOL)
        assert {int(code) for code in re.findall(r"(?<![\d.])4[0-9]{3}(?![\d.]\d)", prose)} <= said | bounds

    def test_it_has_every_message_of_a_client(self) -> None:
        """Each message that a client may send is documented, and no other."""
        said = {names(row[0])[0]: {*names(row[1])} for row in rows(section("Client messages"), "type", "fields")}
        kinds = {get_args(kind.model_fields["type"].annotation)[0]: kind for kind in get_args(messages.Message)}
        assert said == {name: {*kind.model_fields} - {"type"} for name, kind in kinds.items()}

    def test_it_has_every_message_of_the_relay(self) -> None:
        """Each message of the relay other than an event is documented, and no other."""
        edge = list(ROOT.glob("relay/web/live/*.py"))
        sources = [*ROOT.glob("relay/hub/*.py"), *edge]
        written = {
            name for path in sources for name in re.findall(r'\{"type": ?"(\w+)"', path.read_text(encoding="utf-8"))
        }
        assert set(firsts(section("Relay messages"), "type", "fields")) == written

    def test_it_has_every_field_of_a_model(self) -> None:
        """The fields of a model are documented in order, with every type of an input."""
        schemas = openapi.schemas()
        assert firsts(PROTOCOL, "model", "meaning") == schemas["Model"]["required"]
        inputs = rows(PROTOCOL, "input of a model", "meaning")
        assert [name for row in inputs for name in names(row[0])] == schemas["ModelInput"]["required"]
        (types,) = (row[1] for row in inputs if row[0] == "`type`")
        assert names(types) == [*get_args(InputType)]

    async def test_it_has_every_route(self, relay: Running) -> None:
        """Every route is documented, and every documented route exists."""
        served = {
            f"{route.method} {route.resource.canonical}{'/…' if route.resource.canonical == '/static' else ''}"
            for route in application(relay.context).router.routes()
            if route.method != "HEAD"
            and route.resource is not None
            and not route.resource.canonical.endswith("}/")  # the same with a slash
        }
        assert {names(row[0])[0] for row in rows(PROTOCOL, "call", "who", "answer")} == served
        mentioned = {f"{method} {path}" for method, path in re.findall(r"\b(GET|POST) (/[^\s`?]*)", PROTOCOL)}
        assert mentioned <= served

    def test_its_examples_are_real(self) -> None:
        """The code accepts and produces the JSON of the examples."""
        start, entry, event, problem = json_examples(PROTOCOL)
        StartBody.model_validate(start)
        assert set(start) == set(StartBody.model_fields)
        assert set(TypeAdapter(AuditRecord).validate_python(entry)) == set(AuditRecord.__annotations__)
        assert orjson.loads(encode_event(decode_event(orjson.dumps(event)))) == event
        assert problem["status"] == STATUS[Code(problem["code"])]
        TypeAdapter(list[FieldError]).validate_python(problem["errors"])
        TypeAdapter(UpstreamFault).validate_python(problem["upstream"])


def switches() -> dict[str, str]:
    """Return each switch of the sandbox with its docstring."""
    (board,) = (node for node in ast.parse(inspect.getsource(faults)).body if isinstance(node, ast.ClassDef))
    found = {}
    for field, text in zip(board.body, board.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            assert isinstance(text, ast.Expr), field.target.id
            found[field.target.id] = " ".join(str(ast.literal_eval(text.value)).split())
    assert [*found] == field_names(Faults), "every switch has a docstring"
    return found


def shown(default: object) -> str:
    """Return a switch's default as the table writes it."""
    match default:
        case None | "" | ():
            return "unset"
        case bool():
            return "`on`" if default else "`off`"
        case float():
            return f"`{default:g}`"
        case _:
            return f"`{default}`"


def test_the_table_of_switches_is_complete() -> None:
    """docs/sandbox.md has every switch with its default, its words and its docstring."""
    table = rows((ROOT / "docs/sandbox.md").read_text(encoding="utf-8"), "switch", "default", "words", "what it does")
    said = [(names(row[0])[0], row[1], row[2], row[3].replace("\\|", "|")) for row in table]
    texts, types = switches(), get_type_hints(Faults)
    assert said == [
        (
            field.name,
            shown(field.default),
            ", ".join(f"`{word}`" for word in words(types[field.name])),
            texts[field.name],
        )
        for field in fields(Faults)
    ]


def words(kind: Any) -> tuple[str, ...]:
    """Return the words that a switch of this type accepts; the stages are listed before the table."""
    if get_origin(kind) is Literal:
        return () if get_args(kind) == STAGES else get_args(kind)
    return tuple(word for part in get_args(kind) for word in words(part))


class TestConfiguration:
    """docs/configuration.md lists every setting as the code defines it."""

    def test_it_lists_every_setting_of_each_group_in_order(self) -> None:
        """Each group is a section with a table of its settings and their descriptions."""
        for group in GROUPS:
            heading = f"## {(group.__doc__ or '').strip('.')}\n"
            assert heading in CONFIGURATION
            table = rows(CONFIGURATION.partition(heading)[2].partition("\n## ")[0], "setting", "default", "description")
            own = [field for name, field in group.model_fields.items() if name in group.__annotations__]
            assert [(row[0], row[2]) for row in table] == [(f"`{field.alias}`", field.description) for field in own]

    def test_its_defaults_are_values_that_mean_the_default(self) -> None:
        """A default may be written with a unit; setting it changes nothing."""
        documented = dict(re.findall(r"^\| `([A-Z_]+)` \| `([^|]+)` \|", CONFIGURATION, re.MULTILINE))
        assert Config.model_validate(documented) == Config.model_validate({})
        undocumented = [field for field in Config.model_fields.values() if field.alias not in documented]
        assert [field.alias for field in undocumented if field.default not in (None, ())] == []

    def test_documents_name_no_unknown_setting(self) -> None:
        """A name copied from any document is a setting."""
        pairs = named_in_documents(r"\b((?:RELAY|WIRO|APIKLEY)_[A-Z]+(?:_[A-Z]+)*)\b")
        known = {field.alias for field in Config.model_fields.values()} | OTHER_VARIABLES
        assert [(path, name) for path, name in pairs if name.removesuffix(FILE) not in known] == []


def commands() -> list[tuple[str, CommandInfo]]:
    """Return every command with its name, which begins with that of its group."""
    found = [("", command) for command in cli.registered_commands]
    for group in cli.registered_groups:
        assert group.typer_instance is not None
        found += [(f"{group.name} ", command) for command in group.typer_instance.registered_commands]
    return [(f"{group}{command.callback.__name__}", command) for group, command in found if command.callback]


class TestCommandLine:
    """docs/cli.md lists every command with its options and their defaults."""

    @pytest.mark.parametrize(("name", "command"), commands())
    def test_a_command_has_a_section_with_its_options(self, name: str, command: CommandInfo) -> None:
        """Each option is in the section of its command, and no other option is."""
        text = CLI.partition(f"## `relay {name}`\n")[2].partition("\n## ")[0]
        assert text
        made = typer.main.get_command_from_info(command, pretty_exceptions_short=True, rich_markup_mode=None)
        options = {option for parameter in made.params for option in parameter.opts if option.startswith("--")}
        assert set(re.findall(r"--[a-z][a-z-]*", text)) == options - {"--help"}


def test_every_make_target_that_is_named_exists() -> None:
    """A document names only targets of the Makefile."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (phony,) = re.findall(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)
    pairs = named_in_documents(r"(?:^\$ |`)make ([a-z-]+)")
    assert [(path, target) for path, target in pairs if target not in phony.split()] == []


def anchors(document: Path) -> set[str]:
    """Return the anchors of a document's headings, as on GitHub."""
    headings = re.findall(r"^#+ (.+)$", _FENCED.sub("", document.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(document: Path) -> list[str]:
    """Return the links of a document to files, images or headings that do not exist."""
    text = _CODE.sub("", _FENCED.sub("", document.read_text(encoding="utf-8")))
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith(("https://", "http://")):
            continue
        path, _, anchor = unquote(target).partition("#")
        there = (document.parent / path).resolve() if path else document
        if not there.exists() or (anchor and anchor not in anchors(there)):
            broken.append(target)
    return broken


def test_no_link_is_broken() -> None:
    """Links to documents, images and headings exist."""
    assert by_file(DOCUMENTS, broken_links) == {}


def test_every_path_that_is_named_exists() -> None:
    """A file of the project that a document names in backticks has not moved."""
    pairs = named_in_documents(r"`((?:relay|static|tests|bench|docs|requirements)/[\w./-]+)`")
    assert [(document, path) for document, path in pairs if not (ROOT / path).exists()] == []


def test_every_decision_has_context_decision_and_consequences() -> None:
    """Decisions are numbered without a gap, and have three parts."""
    pages = sorted((ROOT / "docs/decisions").glob("0*.md"))
    assert [int(page.name[:4]) for page in pages] == list(range(1, len(pages) + 1))
    for page in pages:
        text = page.read_text(encoding="utf-8")
        parts = re.findall(r"^\*\*(\w+)\.\*\*", text, re.MULTILINE)
        assert parts == ["Context", "Decision", "Consequences"], page.name
        assert text.startswith(f"# {int(page.name[:4])}. "), page.name
