"""The catalogue: the models in the TOML files of this folder, by provider and name. It is immutable."""

import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from relay.catalogue.check import Offer, check
from relay.catalogue.model import Model
from relay.errors import ConfigError

FILES = Path(__file__).parent

_ADAPTER = TypeAdapter(Model)


class Catalogue:
    """The known models, in the order of their file names."""

    def __init__(self, models: Iterable[Model]) -> None:
        self._models = {(model.provider, model.model.lower()): model for model in models}

    def __repr__(self) -> str:
        return f"<Catalogue {len(self._models)}>"

    def __iter__(self) -> Iterator[Model]:
        return iter(self._models.values())

    def find(self, provider: str, name: str) -> Model | None:
        """Return a provider's model by its case-insensitive name, or null if the catalogue does not have it."""
        return self._models.get((provider, name.lower()))

    def providers_of(self, name: str) -> tuple[str, ...]:
        """Return the providers of a model, by its case-insensitive name."""
        return tuple(provider for provider, model in self._models if model == name.lower())

    def sent(
        self, provider: str, name: str, given: Mapping[str, object], offers: Sequence[Offer] = ()
    ) -> tuple[str, Mapping[str, object]]:
        """
        Return the name and the input to send to the provider.

        A model that is not in the catalogue, and an input that is no longer valid because a model file has changed, are
        sent unchanged.
        """
        if (model := self.find(provider, name)) is None:
            return name, given
        sent, faults = check(model, given, offers)
        return model.run_as, given if faults else sent


@cache
def load(folder: Path = FILES) -> Catalogue:
    """
    Load every model file in a folder. A folder is read once per process.

    Raises:
        ConfigError: a file is invalid; the message names the file and the field.
    """
    return Catalogue(_read(path) for path in sorted(folder.glob("*.toml")))


def _read(path: Path) -> Model:
    try:
        return _ADAPTER.validate_python(tomllib.loads(path.read_text(encoding="utf-8")))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path.name}: {error}") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise ConfigError(f"{path.name}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
