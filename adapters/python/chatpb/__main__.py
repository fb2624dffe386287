"""`python -m chatpb` is the command line."""

from chatpb.cli import main

main()
