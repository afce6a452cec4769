"""Takes away, one by one, the lines that Holdfast's guarantees rest on, and checks that the named test notices.

    python3 tests/mutations/mutate.py [--work DIR] [-k WORDS]...

Works in a copy of the tree under DIR (default build/mutations). For each entry of mutations.yaml, or those whose guarantee contains WORDS:
the test passes with the line (or the run ends), fails without it. Ends with 0 if every mutation was noticed.
"""
import argparse
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDERS = ["apps", "base", "bench", "callbacks", "checkpoint", "cuda", "cmake", "configs", "data", "dist", "docs", "examples", "launch", "options", "report", "scripts", "slurm", "tasks", "templates", "tests", "trainer"]
TENSORBOARD = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "holdfast/tensorboard-2.21.0"  # as in scripts/test.sh
BUILD_SECONDS, TEST_SECONDS = 1800, 600


def read_mutations(file=ROOT / "tests/mutations/mutations.yaml"):
    return yaml.safe_load(file.read_text())


def misfits(mutations, root=ROOT):
    """What the list says of the code that the code no longer is, one line each."""
    for one in mutations:
        texts = {edit["file"]: (root / edit["file"]).read_text() for edit in one["edits"]}
        for edit in one["edits"]:
            count = texts[edit["file"]].count(edit["find"])
            texts[edit["file"]] = texts[edit["file"]].replace(edit["find"], edit["replace"])  # the next one comes after it
            if count != 1:
                yield f"{one['guarantee']}: {edit['file']} has {edit['find']!r} {count} times, expected once; mend tests/mutations/mutations.yaml"


class Copy:
    """A copy of the sources and its build. Files keep their times, so that only what differs is built again."""

    def __init__(self, directory):
        self.source, self.build = directory.resolve() / "source", directory.resolve() / "build"

    def refresh(self):
        for folder in FOLDERS:
            shutil.rmtree(self.source / folder, ignore_errors=True)
            shutil.copytree(ROOT / folder, self.source / folder, ignore=shutil.ignore_patterns("__pycache__"))
        for file in filter(pathlib.Path.is_file, ROOT.iterdir()):
            shutil.copy2(file, self.source / file.name)

    def compile(self):
        """Returns the compiler's words if it refuses."""
        # A library that has changed inside need not be linked into the programs again: they are many.
        configure = ["cmake", "--preset", "release", "-S", self.source, "-B", self.build, "-DCMAKE_LINK_DEPENDS_NO_SHARED=ON"]
        for command in (configure, ["cmake", "--build", self.build, "--parallel"]):
            done = subprocess.run(command, cwd=self.source, capture_output=True, text=True, timeout=BUILD_SECONDS)
            if done.returncode:
                return done.stdout + done.stderr
        return None

    def passes(self, test):
        if test.startswith("ctest "):
            command = ["ctest", "--test-dir", self.build, "--no-tests=error", "--output-on-failure", "-R", test.split(" ", 1)[1]]
        else:
            command = ["/usr/bin/python3", "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", self.source / test]
        environment = {**os.environ, "HOLDFAST_BIN": str(self.build / "bin"), "PYTHONPATH": str(self.source / "tests/fault"), "HOLDFAST_TENSORBOARD": os.environ.get("HOLDFAST_TENSORBOARD", str(TENSORBOARD)), "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=TEST_SECONDS)
        self.output = done.stdout + done.stderr
        if re.search(r"No tests were found|no tests ran|not found:", self.output):
            sys.exit(f"{test}: no such test\n{self.output}")
        return done.returncode == 0

    def end_leftovers(self):
        """A mutation may be just that something outlives its supervisor."""
        for process in filter(str.isdigit, os.listdir("/proc")):
            try:
                if os.readlink(f"/proc/{process}/exe").startswith(str(self.build)):
                    os.kill(int(process), signal.SIGKILL)
            except OSError:
                continue  # gone, or the kernel's

    def apply(self, edits):
        self.originals = {edit["file"]: (self.source / edit["file"]).read_text() for edit in edits}
        for edit in edits:
            path = self.source / edit["file"]
            text = path.read_text()
            assert text.count(edit["find"]) == 1, edit
            path.write_text(text.replace(edit["find"], edit["replace"]))

    def restore(self):
        for file, text in self.originals.items():
            (self.source / file).write_text(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=pathlib.Path, default=ROOT / "build/mutations")
    parser.add_argument("-k", action="append", metavar="WORDS", help="only guarantees that contain these words, or those of another -k")
    arguments = parser.parse_args()
    mutations = [one for one in read_mutations() if not arguments.k or any(words in one["guarantee"] for words in arguments.k)]
    if not mutations:
        sys.exit(f"no guarantee contains {' or '.join(arguments.k)}")
    if problems := list(misfits(mutations)):
        sys.exit("\n".join(problems))
    copy = Copy(arguments.work)
    copy.refresh()
    if problem := copy.compile():
        sys.exit(f"the tree does not build\n{problem}")
    for test in sorted({one["test"] for one in mutations}):
        if not copy.passes(test):
            sys.exit(f"{test} fails without any mutation\n{copy.output}")
    unnoticed = []
    for one in mutations:
        start = time.monotonic()
        copy.apply(one["edits"])
        if problem := copy.compile():
            sys.exit(f"{one['guarantee']}: the mutation does not build\n{problem}")
        is_noticed = not copy.passes(one["test"])
        copy.end_leftovers()
        copy.restore()
        if not is_noticed:
            unnoticed.append(one["guarantee"])
        print(f"{'noticed  ' if is_noticed else 'UNNOTICED'}  {one['guarantee']}  ({one['test']}, {time.monotonic() - start:.0f} s)", flush=True)
    print(f"{len(mutations) - len(unnoticed)} of {len(mutations)} mutations were noticed")
    return 1 if unnoticed else 0


if __name__ == "__main__":
    sys.exit(main())
