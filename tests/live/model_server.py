"""Serve Gemma 270M over an OpenAI-compatible API on loopback, as a process of its own.

`python model_server.py MODEL.gguf` prints the base URL on one line when the model is loaded, and
ends when its stdin is closed: so it cannot outlive the tests that started it, however they end.

Started by `conftest.py`; also handy by hand for `spanscope demo --live --url …`.
"""

import sys

import xllamacpp

ALIAS = "gemma-3-270m"

# These weights are the pretrained ones, which know no chat format: a transcript of questions and
# answers is what they continue best, and the server has no such template of its own.
TEMPLATE = """\
{{ bos_token }}{% for message in messages %}\
{% if message.role == 'assistant' %}Answer: {{ message.content }}

{% elif message.role == 'user' %}Question: {{ message.content }}
{% else %}{{ message.content }}

{% endif %}{% endfor %}{% if add_generation_prompt %}Answer:{% endif %}"""


def serve(model_path: str, *, threads: int = 2, context_tokens: int = 4096) -> xllamacpp.Server:
    """A running server on a free port of 127.0.0.1; it lives as long as the object."""
    params = xllamacpp.CommonParams()
    params.model.path = model_path
    params.model_alias = {ALIAS}
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_ctx = context_tokens
    params.n_parallel = 1
    params.cpuparams.n_threads = threads
    params.sampling.seed = 7
    params.chat_template = TEMPLATE
    return xllamacpp.Server(params)


if __name__ == "__main__":
    server = serve(sys.argv[1])
    print(server.listening_address, flush=True)
    sys.stdin.read()
