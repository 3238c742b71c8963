"""Google's content, whole and streamed."""

import json
from typing import Any

from .base import Reply, Said, Wire, json_reply, sse


def _google_parts(said: Said) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = []
    if said.thought:
        parts.append({"text": said.thought, "thought": True})
    if said.text:
        parts.append({"text": said.text})
    return parts + [{"functionCall": {"name": name, "args": json.loads(args)}} for name, args in said.tools]


def _google_usage(said: Said) -> dict[str, Any]:
    """Google counts reasoning beside the candidates."""
    return {
        "promptTokenCount": said.taken,
        "cachedContentTokenCount": said.read,
        "candidatesTokenCount": said.made - said.reasoning,
        **({"thoughtsTokenCount": said.reasoning} if said.reasoning else {}),
        "totalTokenCount": said.taken + said.made,
    }


def _google_chunk(said: Said, parts: list[dict[str, Any]], finish: str | None) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": parts}, "index": 0}
    if finish:
        candidate["finishReason"] = finish
    tail = {"usageMetadata": _google_usage(said), "modelVersion": said.model, "responseId": "r_1"}
    return {"candidates": [candidate], **tail}


def _google_stream(said: Said) -> Reply:
    *before, last = _google_parts(said) or [{"text": ""}]
    chunks = [_google_chunk(said, [part], None) for part in before]
    return sse([*chunks, _google_chunk(said, [last], said.finish)], done=False)


def google_blocked(said: Said) -> Reply:
    """The prompt itself was refused: there is no candidate."""
    feedback = {"promptFeedback": {"blockReason": said.finish}}
    usage = {"promptTokenCount": said.taken, "totalTokenCount": said.taken}
    return json_reply({**feedback, "usageMetadata": usage, "modelVersion": said.model})


def _google_error(status: int) -> Reply:
    kind = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 429: "RESOURCE_EXHAUSTED"}[status]
    return Reply(
        body=json.dumps({"error": {"code": status, "message": "No.", "status": kind}}).encode(), status=status
    )


GOOGLE = Wire(
    lambda said: json_reply(_google_chunk(said, _google_parts(said), said.finish)),
    _google_stream,
    _google_error,
)
