"""Child processes that do what a test needs at the moment when it needs it."""

import subprocess

from MedCompressLib.jobs import Job

_PAUSES = """
import signal, sys
from MedCompressLib import __main__ as command
say = command._say
def sayAndPause(document):
    say(document)
    if document["fraction"] >= {fraction}:
        signal.pause()
command._say = sayAndPause
sys.exit(command.main(sys.argv[1:]))
"""


def pausing(name: str, fraction: float):
    """A `Job` whose commands are real, but that the command `name` goes no further than `fraction`: it waits there for
    its end, so that Cancel comes in time however fast it is, and however slow the test."""

    def start(command, **options):
        if command[3] == name:
            command = [command[0], "-c", _PAUSES.format(fraction=fraction), *command[3:]]
        return subprocess.Popen(command, **options)

    return lambda arguments, **options: Job(arguments, start=start, **options)
