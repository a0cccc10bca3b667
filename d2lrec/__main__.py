"""`python -m d2lrec` is the command `d2lrec`, also where that is not on the path."""

from d2lrec.cli import main

if __name__ == "__main__":
    main(prog_name="d2lrec")
