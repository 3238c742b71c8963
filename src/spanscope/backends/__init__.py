"""Where spans go besides the store, by name or as objects of the user's own.

`backends=["structlog", MyBackend()]` becomes a list of objects here.  A backend's module, and the
package that it needs, are imported only when it is asked for.

Used by `runtime` at set-up; a mistake speaks here and at once.
"""

import inspect
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from typing import Final

from spanscope.exceptions import ConfigError
from spanscope.health import Health
from spanscope.protocols import Backend

Factory = Callable[[Health | None], Backend]


def _memory(health: Health | None) -> Backend:
    from spanscope.backends.memory import MemoryBackend

    return MemoryBackend()


def _structlog(health: Health | None) -> Backend:
    from spanscope.backends.structlog import StructlogBackend

    return StructlogBackend()


def _datadog(health: Health | None) -> Backend:
    from spanscope.backends.datadog import DatadogBackend

    return DatadogBackend(health=health)


KNOWN: Final[dict[str, Factory]] = {"datadog": _datadog, "memory": _memory, "structlog": _structlog}
_METHODS: Final = ("export", "flush", "shutdown")


def build(
    backends: str | Backend | Iterable[str | Backend], *, health: Health | None = None
) -> list[Backend]:
    """The backends asked for, in order; a name given twice is made once.

    Raises `ConfigError` for an unknown name or an object that is no backend, and `MissingExtra` when
    the package that a backend needs is not installed.
    """
    if isinstance(backends, str) or not isinstance(backends, Iterable):
        backends = (backends,)
    built: dict[str | int, Backend] = {}
    for backend in backends:
        if isinstance(backend, str):
            if backend not in built:
                built[backend] = _named(backend, health)
        else:
            _check(backend)
            built[id(backend)] = backend
    return list(built.values())


def _named(name: str, health: Health | None) -> Backend:
    factory = KNOWN.get(name)
    if factory is None:
        near = get_close_matches(name.lower(), KNOWN, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ConfigError(f"unknown backend {name!r}: known are {', '.join(sorted(KNOWN))}{hint}")
    return factory(health)


def _check(backend: object) -> None:
    if inspect.isclass(backend):
        raise ConfigError(f"{backend.__name__} is a class; give an object: backends=[{backend.__name__}(…)]")
    missing = [name for name in _METHODS if not callable(getattr(backend, name, None))]
    if missing:
        raise ConfigError(
            f"{type(backend).__name__} is no backend: it has no {', '.join(missing)}. "
            "A backend has export(spans), flush(timeout_s) and shutdown()."
        )
