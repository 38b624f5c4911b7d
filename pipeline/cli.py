"""`python -m pipeline.cli` of versions before 0.2: the command line is `python -m cli.main`, or `fangyan`."""

import runpy

if __name__ == "__main__":
    runpy.run_module("cli.main", run_name="__main__")
