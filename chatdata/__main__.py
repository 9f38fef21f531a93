"""`python -m chatdata`: the command line, where its program is not on the path."""

from chatdata.cli import main

if __name__ == "__main__":
    main()
