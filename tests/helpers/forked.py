"""Runs a command in a process forked for it."""

import os
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

from perturb.cli import main


def run_and_exit(arguments: Sequence[str]) -> NoReturn:
    """Run a command and exit as it would. Print any other exception and exit with code 1."""
    try:
        main(arguments)
        code = 0
    except SystemExit as leaving:
        code = leaving.code or 0
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
