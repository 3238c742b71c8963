"""What a piece of a stream says: nothing yet, something, or text of the answer itself.

The first piece of nearly every stream is empty, and reasoning or a tool call may come long before the
answer; a clock that stops at the wrong piece is wrong by seconds.  Runs on the caller's thread, for each
piece until the answer has begun and never again, so it looks at little.

Called by `langchain`.
"""

from typing import Any, Final

_SAYS: Final = (
    *("thinking", "reasoning", "reasoning_content", "partial_json", "arguments", "args", "name", "input"),
    *("refusal", "toolUse", "tool_use", "functionCall", "audio", "data", "fields"),
)
NOTHING, SOMETHING, ANSWER = 0, 1, 2


def says(token: Any, chunk: Any) -> int:
    """`NOTHING`, `SOMETHING` (reasoning or a piece of a tool call) or `ANSWER` (text, not empty)."""
    if type(token) is str and token:
        return ANSWER
    found = _blocks(token) if type(token) is list else NOTHING
    if found is not ANSWER:
        message = getattr(chunk, "message", None)
        if message is not None:
            found = max(found, _message(message, token))
    return found


def _message(message: Any, token: Any) -> int:
    content = message.content
    if type(content) is str and content:
        return ANSWER
    if type(content) is list and content is not token and (found := _blocks(content)):
        return found
    if getattr(message, "tool_call_chunks", None):
        return SOMETHING
    more = getattr(message, "additional_kwargs", None)
    return SOMETHING if more and (more.get("reasoning_content") or more.get("reasoning")) else NOTHING


def _blocks(blocks: list[Any]) -> int:
    found = NOTHING
    for block in blocks:
        if type(block) is str:
            said = ANSWER if block else NOTHING
        elif type(block) is dict:
            said = _block(block)
        else:
            said = NOTHING
        if said is ANSWER:
            return ANSWER
        found = max(found, said)
    return found


def _block(block: dict[str, Any]) -> int:
    if block.get("text"):
        return SOMETHING if block.get("thought") else ANSWER
    if any(map(block.get, _SAYS)):
        return SOMETHING
    summary = block.get("summary")  # OpenAI's reasoning, which begins with an empty one
    if isinstance(summary, list) and any(isinstance(part, dict) and part.get("text") for part in summary):
        return SOMETHING
    return NOTHING
