"""What is too big or no text is told by its size and a keyed hash; the span and its other fields stay."""

import base64

import pytest
from recording import handler_in, recorded

import spanscope
from spanscope.redaction import load_key
from spanscope.testing import ScriptedChatModel

LONG = "All work and no play. " * 50_000
IMAGE = base64.b64encode(bytes(range(256)) * 400).decode()


@pytest.fixture(autouse=True)
def no_key_in_the_environment(monkeypatch):
    monkeypatch.delenv("SPANSCOPE_KEY", raising=False)


def test_a_long_attribute_is_cut_with_its_length_and_hash_and_the_rest_stays(tmp_path):
    handler = handler_in(tmp_path)
    with spanscope.span("work", input="the question", handler=handler) as step:
        step.set("report", LONG)
        step.set("pages", 7)
        step.set_output("the answer")
    span = recorded(handler).root
    digest = load_key(tmp_path).digest(LONG)
    assert span.attributes["report"].startswith(LONG[:1000])
    assert span.attributes["report"].endswith(f"… [cut, {len(LONG)} chars, {digest}]")
    assert len(span.attributes["report"]) < 5000
    assert span.attributes["pages"] == 7
    assert (span.input_preview, span.output_preview) == ("the question", "the answer")


def test_a_long_message_is_cut_with_its_length_and_known_by_its_hash(tmp_path):
    handler = handler_in(tmp_path, content="redacted")
    with spanscope.span("work", input=LONG, handler=handler) as step:
        step.set_output("the answer")
    span = recorded(handler).root
    (content,) = span.inputs
    assert content.text is not None
    assert content.text.endswith(f"… [cut, {len(LONG)} chars, {load_key(tmp_path).digest(LONG)}]")
    assert content.chars == len(LONG)
    assert content.content_id == load_key(tmp_path).content_id(content.role, LONG)
    assert span.output_preview == "the answer"


def test_an_image_in_a_message_or_attribute_is_told_by_type_size_and_hash(tmp_path):
    handler = handler_in(tmp_path, content="redacted")
    uri = f"data:image/png;base64,{IMAGE}"
    with spanscope.span("work", input=f"look: {uri} and say", handler=handler) as step:
        step.set("picture", uri)
        step.set("audio", IMAGE)
    span = recorded(handler).root
    digest = load_key(tmp_path).digest(IMAGE)
    assert span.inputs[0].text == f"look: [image/png, 102400 bytes, {digest}] and say"
    assert span.attributes["picture"] == f"[image/png, 102400 bytes, {digest}]"
    assert span.attributes["audio"] == f"[base64, 102400 bytes, {digest}]"


def test_an_image_for_a_model_leaves_no_byte_in_the_file(tmp_path):
    handler = handler_in(tmp_path, content="redacted")
    message = (
        "human",
        [
            {"type": "text", "text": "What is this?"},
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{IMAGE}"}},
        ],
    )
    ScriptedChatModel(replies=["A test card."]).invoke([message], config={"callbacks": [handler]})
    call = recorded(handler).root
    assert "What is this?" in (call.inputs[0].text or "")
    assert call.output_preview == "A test card."
    files = b"".join(one.read_bytes() for one in tmp_path.iterdir())
    assert IMAGE[:40].encode() not in files
    assert len(files) < 1_000_000
