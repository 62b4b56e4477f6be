"""Verdicts: a line each, and a count at the end."""

import traceback


class Skip(Exception):
    """A test that cannot run here, and why."""


class Report:
    def __init__(self):
        self.counts = {"ok": 0, "FAIL": 0, "SKIP": 0}

    def surroundings(self, directory, abilities):
        missing = abilities.missing()
        print(f"-- in {directory}" + (f"; not tested for want of it: {', '.join(missing)}" if missing else ""), flush=True)

    def add(self, verdict, text):
        self.counts[verdict] += 1
        print(f"{verdict} {text}", flush=True)

    def no_time(self, what, must):
        """The time for `what`, which comes last, is over; a failure where all was to be tested."""
        self.add("FAIL" if must else "SKIP", f"{what}: no time")

    def run(self, name, test, *arguments):
        """A test that fails by an exception."""
        try:
            test(*arguments)
        except Skip as reason:
            self.add("SKIP", f"{name}: {reason}")
        except AssertionError as failure:
            self.add("FAIL", f"{name}: {failure}")
        except Exception:  # whatever it is, the other tests go on
            traceback.print_exc()
            self.add("FAIL", name)
        else:
            self.add("ok", name)

    def summary(self):
        """Prints the last line; the exit status."""
        print(f"{self.counts['ok']} passed, {self.counts['FAIL']} failed, {self.counts['SKIP']} skipped")
        return 1 if self.counts["FAIL"] or not self.counts["ok"] else 0
