"""Runs the command in argv[2:] and writes the most memory that it has had, in KiB, into the file argv[1]."""
import pathlib
import resource
import subprocess
import sys

code = subprocess.call(sys.argv[2:])
pathlib.Path(sys.argv[1]).write_text(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(code)
