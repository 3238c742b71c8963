"""`python -m spanscope.cli`: the command without its console script."""

from spanscope.cli import main

main()
