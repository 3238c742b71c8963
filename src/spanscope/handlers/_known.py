"""Which handler a block of ours goes to when nothing around it is recorded.

The one of `instrument()` speaks for the whole process; without it, the handler made last does.  Kept
for each runtime, not for each handler: an application may make a thousand.

Told by `_source` and `instrumentation`; asked by `manual`.
"""

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from spanscope.handlers._source import Handler

_newest: Final[dict[int, "Handler"]] = {}
"""The newest handler of each runtime, the newest of all last.  Its steps are atomic, so no lock is needed."""
_of_process: Final[list["Handler"]] = []


def note(handler: "Handler") -> None:
    """A handler was made."""
    for key, known in list(_newest.items()):
        if known.runtime.closed:
            _newest.pop(key, None)
    _newest.pop(id(handler.runtime), None)
    _newest[id(handler.runtime)] = handler


def speak_for_process(*handlers: "Handler") -> None:
    """These are attached to the whole process, one for each framework; blocks go to the first."""
    retired = list(_of_process)
    _of_process[:] = handlers
    for one in retired:
        if one not in handlers and _newest.get(id(one.runtime)) is one:
            _newest.pop(id(one.runtime), None)


def default_handler() -> "Handler | None":
    """Where a block goes that has nothing around it; None when there is no living handler."""
    for handler in (*_of_process, *reversed(list(_newest.values()))):
        if not handler.runtime.closed:
            return handler
    return None
