"""The command line: ``python -m tools.exercises grade|prove|course``."""

from tools.exercises.command import main

if __name__ == "__main__":
    raise SystemExit(main())
