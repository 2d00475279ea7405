"""The catalogue: the models of the files beside this one, found by provider and name. Read once; it never changes."""

import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from relay.catalogue.check import Offer, check
from relay.catalogue.model import Model
from relay.errors import ConfigError

FILES = Path(__file__).parent

_READ = TypeAdapter(Model)


class Catalogue:
    """Models in the order of their files' names."""

    def __init__(self, models: Iterable[Model]) -> None:
        self._models = {(model.provider, model.model.lower()): model for model in models}

    def __repr__(self) -> str:
        return f"<Catalogue {len(self._models)}>"

    def __iter__(self) -> Iterator[Model]:
        return iter(self._models.values())

    def find(self, provider: str, name: str) -> Model | None:
        """Return a provider's model of this name, in whatever case it is written."""
        return self._models.get((provider, name.lower()))

    def providers_of(self, name: str) -> tuple[str, ...]:
        """Return the providers that have a model of this name."""
        return tuple(provider for provider, model in self._models if model == name.lower())

    def sent(
        self, provider: str, name: str, given: Mapping[str, object], offers: Sequence[Offer] = ()
    ) -> tuple[str, Mapping[str, object]]:
        """
        Return the name and the input that go upstream for what a caller gave, with these files besides.

        What is not in the catalogue, or does not fit it any longer (a file may have changed since), goes as it is.
        """
        if (model := self.find(provider, name)) is None:
            return name, given
        sent, faults = check(model, given, offers)
        return model.run_as, given if faults else sent


def load(folder: Path = FILES) -> Catalogue:
    """
    Read every model file of a folder.

    Raises:
        ConfigError: a file is wrong; the text names it and the field.
    """
    return Catalogue(_read(path) for path in sorted(folder.glob("*.toml")))


def _read(path: Path) -> Model:
    try:
        return _READ.validate_python(tomllib.loads(path.read_text(encoding="utf-8")))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path.name}: {error}") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise ConfigError(f"{path.name}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
