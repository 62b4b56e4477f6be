"""rsync and rdcp, run from one directory to another."""

import os
import resource
import shlex
import subprocess
import sys

USUAL_DESCRIPTORS = 1024
# A remote shell without ssh: drops the options and the host, and runs the words here, in a process of its own.
RSH = """#!/bin/sh
while [ "${1#-}" != "$1" ]; do case $1 in -l|-p|-o) shift 2 ;; *) shift ;; esac; done
shift
/bin/sh -c "$*"
exit $?
"""
HOST = "localhost"


def with_usual_limits():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(USUAL_DESCRIPTORS, hard), hard))


class Outcome:
    def __init__(self, words, status, output, errors):
        self.words, self.status, self.output, self.errors = words, status, output, errors

    def __str__(self):
        return f"status {self.status} of {shlex.join(self.words)}: " + self.errors.strip().replace("\n", " | ")[:1000]


def run(words, seconds):
    """Runs a command as a user's shell would. Status None: it was ended, as it did not end itself."""
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               start_new_session=True, preexec_fn=with_usual_limits)
    try:
        output, errors = process.communicate(timeout=seconds)
        status = process.returncode
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        output, errors = process.communicate()
        status = None
    return Outcome(words, status, output.decode(errors="replace"), errors.decode(errors="replace"))


class Rsync:
    name = "rsync"

    def copy(self, source, target, options, seconds):
        return run(["rsync", *options, source + "/", target + "/"], seconds)


class Rdcp:
    """By `rsh` to and from this host; without one, through a shell of our own."""

    name = "rdcp"
    WAYS = ("push", "pull", "local")

    def __init__(self, program, scratch, rsh=None, fabric="tcp"):
        self.program = os.path.realpath(program)
        self.fabric = fabric
        self.rsh = rsh or os.path.join(scratch, "rsh")
        if rsh is None:
            with open(self.rsh, "w", encoding="ascii") as file:
                file.write(RSH)
            os.chmod(self.rsh, 0o755)

    def words(self, source, target, options, way):
        """Of a copy of what is in one directory to another."""
        remote = ["--fabric=" + self.fabric, "-e", self.rsh, "--rdcp-path", self.program] if way != "local" else []
        source, target = source + "/", target + "/"
        return [self.program, *remote, *options, HOST + ":" + source if way == "pull" else source,
                HOST + ":" + target if way == "push" else target]

    def copy(self, source, target, options, seconds, way="push"):
        return run(self.words(source, target, options, way), seconds)


def need_program(path):
    if not os.access(path, os.X_OK):
        sys.exit(f"{path} is no program")
