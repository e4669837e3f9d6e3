"""`python -m licensing.serving.child MODULE ARGUMENT…`: run a module that ends with its supervisor."""

import runpy
import sys

from licensing.serving import lifeline

if __name__ == "__main__":
    lifeline.hold()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
