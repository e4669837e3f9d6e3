#!/usr/bin/env python
"""Run a command of the Key Manager: `python manage.py help` lists them."""

import contextlib
import os
import sys
from pathlib import Path


def take_data_folder(arguments: list[str]) -> list[str]:
    """Take `--data DIR` out of the arguments and put it where the settings look for it.

    The settings name the database by the data folder, so the folder must be known before any
    command is loaded; it is thus an option of every command.
    """
    kept: list[str] = []
    waiting = iter(arguments)
    for argument in waiting:
        if argument == "--data":
            folder = next(waiting, None)
            if folder is None:
                print("data_missing: --data expects a folder", file=sys.stderr)
                sys.exit(2)
            os.environ["KEYMANAGER_DATA"] = folder
        elif argument.startswith("--data="):
            os.environ["KEYMANAGER_DATA"] = argument.removeprefix("--data=")
        else:
            kept.append(argument)
    return kept


def forget_last_start(arguments: list[str]) -> None:
    """Before the second that loading takes: whoever waits for the demo must not find an old `demo.json`."""
    from licensing.serving.data_folder import forget_ready

    folder = os.environ.get("KEYMANAGER_DATA")
    if arguments[1:2] == ["serve"] and folder != "":
        with contextlib.suppress(OSError):
            forget_ready(Path(folder).expanduser() if folder else Path(__file__).resolve().parent / "var")


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "keymanager.settings")
    arguments = take_data_folder(sys.argv)
    forget_last_start(arguments)
    if arguments[1:2] == ["serve"]:
        # It starts everything else, and stays small by doing without Django.
        from licensing.serving.serve import main as serve

        sys.exit(serve(arguments[2:]))
    try:
        from keymanager.utility import Utility
    except ImportError:
        sys.exit("Django is missing: run `make install`, then use .venv/bin/python")
    from keymanager.wrong import WrongSetting

    try:
        Utility(arguments).execute()
    except WrongSetting as error:
        print(error, file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
