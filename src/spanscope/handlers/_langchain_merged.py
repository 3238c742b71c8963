"""What LangChain adds up over a stream although it was said several times.

The message of a stream is the sum of its pieces: texts are joined and counts added.  A provider that repeats
its model or finish reason, or that tells its token counts so far with every piece, is thereby misread:
`stopstop`, and the prompt counted once per piece.

Pure; runs on the worker thread, called by `_langchain_payload`.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from spanscope.handlers._langchain_request import Answer
from spanscope.providers import FINISH
from spanscope.providers.reading import count

_WORDS: Final = ("finish_reason", "stop_reason", "done_reason")
_NAMES: Final = ("model_name", "model", "system_fingerprint", "service_tier")
_SEVERAL: Final = re.compile(f"(?:{'|'.join(map(re.escape, sorted(FINISH, key=len, reverse=True)))}){{2,}}")


def taken_once(answer: Answer, last_usage: Any, usages: int) -> Answer:
    """The answer of a stream with what was repeated in it taken once; `last_usage` was in the last piece.

    Where several answers were asked for, they may have stopped for different reasons: then none is given.
    """
    metadata, info = _single(answer.response_metadata), _single(answer.generation_info)
    given = answer.usage
    if usages > 1 and given and last_usage:
        whole, last = count(given.get("input_tokens")), count(last_usage.get("input_tokens"))
        # A client that adds up differences has the prompt in one of them; counts so far all have it.
        if last and whole == usages * last:
            given = last_usage
    if metadata is answer.response_metadata and info is answer.generation_info and given is answer.usage:
        return answer
    return answer._replace(response_metadata=metadata, generation_info=info, usage=given)


def _single(given: Mapping[str, Any]) -> Mapping[str, Any]:
    changed: dict[str, Any] = {}
    for name in _NAMES:
        if type(said := given.get(name)) is str and (part := _repeated(said)) is not None:
            changed[name] = part
    for name in _WORDS:
        if type(said := given.get(name)) is not str or said in FINISH:
            continue
        if (part := _repeated(said)) is not None:
            changed[name] = part
        elif _SEVERAL.fullmatch(said.lower()) and said.lower() not in FINISH:
            changed[name] = None
    return {**given, **changed} if changed else given


def _repeated(text: str) -> str | None:
    """What a text is the repetition of, as `stop` of `stopstop`."""
    length = (text + text).find(text, 1)
    return text[:length] if 3 <= length < len(text) else None
