"""The command line as a user has it: arguments in; exit code, output and errors out."""

from collections.abc import Callable

import pytest

from spanscope.cli import main

Run = Callable[..., tuple[int, str, str]]


def command_line(capsys: pytest.CaptureFixture[str]) -> Run:
    """A function that runs `spanscope` with its arguments in this process."""

    def call(*args: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as end:
            main(args)
        out, err = capsys.readouterr()
        return int(end.value.code or 0), out, err

    return call
