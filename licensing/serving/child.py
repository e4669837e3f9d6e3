"""`python -m licensing.serving.child MODULE ARGUMENT…`: run a module that ends with its supervisor."""

import gc
import runpy
import sys

from licensing.serving import lifeline

if __name__ == "__main__":
    lifeline.hold()
    # Hardly anything that loading makes is garbage: looking for it as often as Python does by itself takes an
    # eighth of a start.
    gc.set_threshold(20_000, 20, 50)
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
