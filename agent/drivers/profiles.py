"""Device models as data: one YAML file a model, named after itself, read strictly, checked before anything uses it."""

import importlib.resources
from collections.abc import Callable, Iterable
from typing import Any, Generic, Protocol, TypeVar

import msgspec
import yaml

from agent.model.errors import PolicyError


class Named(Protocol):
    """What every profile has."""

    @property
    def name(self) -> str:
        """The name of its file, without `.yaml`."""
        ...


P = TypeVar("P", bound=Named)


class Profiles(Generic[P]):
    """The profiles of one kind of device, in the folder `profiles` of a package; each is loaded once.

    Args:
        package: whose folder it is.
        what: what they are profiles of, for messages.
        kind: what a file is converted to.
        problems: what makes one unsafe to use, each in a few words.
    """

    def __init__(self, package: str, what: str, kind: type[P], problems: Callable[[P], Iterable[str]]) -> None:
        self._folder = importlib.resources.files(package).joinpath("profiles")
        self._what = what
        self._kind = kind
        self._problems = problems
        self._loaded: dict[str, P] = {}

    def names(self) -> list[str]:
        """Return the names of the profiles that are installed, sorted."""
        return sorted(file.name.removesuffix(".yaml") for file in self._folder.iterdir() if file.name.endswith(".yaml"))

    def load(self, name: str) -> P:
        """Return the profile of that name; PolicyError if there is none (lists those there are) or it is not safe."""
        if name not in self._loaded:
            if name not in self.names():
                known = ", ".join(self.names())
                raise PolicyError(f"no {self._what} profile named {name!r}: expected one of {known}")
            file = f"{name}.yaml"
            profile = self.parse(self._folder.joinpath(file).read_text(encoding="utf-8"), file)
            if profile.name != name:
                raise PolicyError(
                    f"{file}: expected name: {name}, found {profile.name!r}: rename the file or the profile"
                )
            self._loaded[name] = profile
        return self._loaded[name]

    def parse(self, text: str, where: str) -> P:
        """Read a profile from YAML text; PolicyError names `where` and everything that is wrong."""
        try:
            raw = yaml.load(text, Loader=_StrictLoader)  # noqa: S506 - a SafeLoader that refuses more than that one does
            profile = msgspec.convert(raw, self._kind)
        except (yaml.YAMLError, msgspec.ValidationError) as problem:
            raise PolicyError(f"{where}: {problem}") from problem
        if problems := list(self._problems(profile)):
            raise PolicyError(f"{where}: " + "; ".join(problems))
        return profile


class _StrictLoader(yaml.SafeLoader):
    """YAML with text keys only, each once."""


def _mapping(loader: _StrictLoader, node: yaml.MappingNode) -> dict[str, Any]:
    pairs: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node)
        if not isinstance(key, str):
            said = f"expected a text key, found {key!r}: quote it ('on' and 'off' need it)"
            raise yaml.constructor.ConstructorError(None, None, said, key_node.start_mark)
        if key in pairs:
            raise yaml.constructor.ConstructorError(None, None, f"key {key!r} stands twice", key_node.start_mark)
        pairs[key] = loader.construct_object(value_node, deep=True)
    return pairs


_StrictLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)
