"""Messages of a conversation are read once, and again when they have changed."""

from langchain_core.messages import AIMessage, HumanMessage

from spanscope.drafts import Message
from spanscope.handlers import _langchain_text as reading
from spanscope.handlers._freeze import freeze_message, freeze_messages

CALL = {"name": "look_up", "args": {"order": "LO-1"}, "id": "call-1"}


def test_a_message_sent_again_is_the_same():
    talk = [HumanMessage("Where is my lamp?"), AIMessage("", tool_calls=[CALL])]
    first, second = (reading.messages_in(freeze_messages(talk)) for _ in range(2))
    assert first == [Message("human", "Where is my lamp?"), Message("ai", 'look_up({"order": "LO-1"})')]
    assert all(one is other for one, other in zip(first, second, strict=True))


def test_a_message_that_the_application_has_changed_is_read_anew():
    message = AIMessage("Yes.")
    assert reading.message_of(freeze_message(message)).text == "Yes."
    message.content = "No."
    assert reading.message_of(freeze_message(message)).text == "No."
    message.tool_calls = [CALL]
    assert reading.message_of(freeze_message(message)).text == 'No.\nlook_up({"order": "LO-1"})'


def test_what_was_read_goes_with_its_message():
    message = HumanMessage("Goodbye.")
    reading.message_of(freeze_message(message))
    key = id(message)
    assert key in reading._read
    del message
    assert key not in reading._read


def test_of_a_root_the_last_word_of_the_right_speaker_is_shown():
    talk = freeze_messages([HumanMessage("Where?"), AIMessage("Here."), HumanMessage("Thanks.")])
    assert reading.input_text({"messages": talk}) == Message("human", "Thanks.")
    assert reading.output_text({"messages": talk}) == Message("ai", "Here.")


def test_where_the_right_speaker_is_missing_the_last_word_is_shown():
    assert reading.output_text(freeze_messages([HumanMessage("Anyone?")])) == Message("human", "Anyone?")
