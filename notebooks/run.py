"""Run every notebook from top to bottom, offline, and fail where a cell does.

Outputs are not kept in the repository: they would go stale and hide what really happens.
"""

import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).parent


def main() -> int:
    kept = []
    for path in sorted(FOLDER.glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        if any(cell.get("outputs") or cell.get("execution_count") for cell in notebook.cells):
            kept.append(path.name)
        with tempfile.TemporaryDirectory() as folder:
            client = NotebookClient(
                notebook,
                timeout=120,
                kernel_name="python3",
                extra_arguments=["--IPKernelApp.log_level=ERROR"],
                resources={"metadata": {"path": folder}},
            )
            client.execute()
        print(f"{path.name}: ran")
    for name in kept:
        print(f"{name}: holds outputs; clear them before committing", file=sys.stderr)
    return 1 if kept else 0


if __name__ == "__main__":
    sys.exit(main())
