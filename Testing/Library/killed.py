"""A command that is killed in the midst of its work: at the same place on a slow machine and on a quick one."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import MedCompressLib

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(MedCompressLib.__file__).resolve().parent.parent)}
_CODE = """
import os, sys
from MedCompressLib import __main__

say, step = __main__._say, iter(range(10**6))

def watched(document):
    say(document)
    if sys.argv[1] in f"#{next(step)} {document['message']}":
        os.kill(os.getpid(), int(sys.argv[2]))

__main__._say = watched
sys.exit(__main__.main(sys.argv[3:]))
"""


def killed(words: str, *arguments: object, **environment: str) -> None:
    """Run `medcompress ARGUMENTS`, which kills itself as soon as it reports a step whose message holds `words`.

    Before the message stands the number of the step, from 0: "#7 Encoding".
    """
    kill = getattr(signal, "SIGKILL", signal.SIGTERM)
    command = [sys.executable, "-c", _CODE, words, str(int(kill)), *map(str, arguments), "--progress", "json"]
    done = subprocess.run(command, env={**ENVIRONMENT, **environment}, capture_output=True, text=True)
    assert done.returncode == -kill or os.name == "nt", done.stdout + done.stderr
