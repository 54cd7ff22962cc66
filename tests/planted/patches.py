"""Patches that plant known bugs into the product: their file format, and how they are applied.

A file patches/NAME.patch begins with a description of the bug, followed by the change in the form of `diff -u`:

    Catalogue: B038
    Rated: 5
    Checker: acknowledged

    Prose: what the change breaks, and the consequences.

    --- a/raft/host/replica.cc
    +++ b/raft/host/replica.cc
    @@ …

`Catalogue` is the bug's number in the catalogue of bugs that real systems had (own: not from the catalogue). `Rated` is its subtlety,
from 1 (easy) to 5 (very subtle). `Checker` is the beginning of the violation that is expected to report it. A bug outside the
simulation has a line `Found by: //net/disk:disk_test` instead: the test that must fail. A line `Flags: --members` adds
flags to `simulate swarm`. With a line `Scenario: two-removals`, `simulate explore` of that scenario must find it.

Added lines may have marks, which //tests/planted:score counts. The product has none of them:

    PLANTED_REACHED();              the run is where the bug may matter
    PLANTED_DIVERGED(a != b);       from here on it differs from a run without the bug, if this is true

Both are expressions of type void. Lines with a mark should change nothing else.
"""

import os
import re
import subprocess
from dataclasses import dataclass

SUFFIX = '.patch'
_KEYS = ('Catalogue', 'Rated', 'Checker', 'Found by', 'Flags', 'Scenario')


# The marks of a run go to this file descriptor, each once: a letter.
MARKS_FILE = 9
REACHED, DIVERGED = 'r', 'd'
_MARK = 'PLANTED_'
# Stands above a patched file with marks.
_MARKS_OFF = '#define PLANTED_REACHED() void()\n#define PLANTED_DIVERGED(...) void()\n'
_MARKS_ON = f'''#include <unistd.h>
#define PLANTED_MARK(letter) \\
  ([] {{ static bool done = false; if (!done) {{ done = true; if (::write({MARKS_FILE}, letter, 1) < 0) {{}} }} }}())
#define PLANTED_REACHED() PLANTED_MARK("{REACHED}")
#define PLANTED_DIVERGED(...) ((__VA_ARGS__) ? PLANTED_MARK("{DIVERGED}") : void())
'''


class BadPatch(Exception):
    """A patch that cannot be read or does not apply; the message names the patch and the reason."""


@dataclass
class Patch:
    name: str
    path: str
    catalogue: str
    rating: int
    checker: str  # Empty if a test finds it.
    prose: str
    diff: str
    test: str = ''  # The target of the test that must fail; empty if the simulator finds the bug.
    flags: tuple = ()  # Those of the swarm that finds it.
    scenario: str = ''  # The scenario that shows it; empty if seeds do.

    @property
    def finder(self):
        return self.checker or self.test

    @property
    def files(self):
        """The files that it changes, relative to the root of the source tree."""
        return re.findall(r'^\+\+\+ b/(\S+)$', self.diff, re.MULTILINE)

    @property
    def marks(self):
        """Whether it has marks."""
        return _MARK in self.diff

    @property
    def changed_lines(self):
        """Lines of the present tree that it removes or adds, whichever number is larger. Those of marks do not count."""
        lines = [line for line in self.diff.split('\n') if _MARK not in line]
        added = sum(line.startswith('+') and not line.startswith('+++ ') for line in lines)
        removed = sum(line.startswith('-') and not line.startswith('--- ') for line in lines)
        return max(added, removed)


def parse(name, path, text):
    head, mark, diff = text.partition('\n--- a/')
    if not mark:
        raise BadPatch(f'{name}: no change in it, a line "--- a/FILE" begins one')
    fields, _, prose = head.partition('\n\n')
    values = {}
    for line in fields.split('\n'):
        key, colon, value = line.partition(': ')
        if key not in _KEYS or not colon or key in values:
            raise BadPatch(f'{name}: expected at most one line each of {", ".join(_KEYS)}, found "{line}"')
        values[key] = value.strip()
    missing = [key for key in ('Catalogue', 'Rated') if not values.get(key)]
    if missing:
        raise BadPatch(f'{name}: the line "{missing[0]}: …" is missing')
    checker, test = values.get('Checker', ''), values.get('Found by', '')
    if bool(checker) == bool(test):
        raise BadPatch(f'{name}: expected one of the lines "Checker: …" and "Found by: …"')
    if test and not re.fullmatch(r'//[\w/]+:\w+_test', test):
        raise BadPatch(f'{name}: expected a test like //net:disk_order_test, found "{test}"')
    if not re.fullmatch(r'own|B\d{3}[a-z]?|N\d{1,2}', values['Catalogue']):
        raise BadPatch(f'{name}: expected a number like B032, B032b or N7, or own, found "{values["Catalogue"]}"')
    if values['Rated'] not in ('1', '2', '3', '4', '5'):
        raise BadPatch(f'{name}: expected a rating from 1 to 5, found "{values["Rated"]}"')
    if not prose.strip():
        raise BadPatch(f'{name}: it does not say what it breaks')
    flags = tuple(values.get('Flags', '').split())
    if test and flags:
        raise BadPatch(f'{name}: a bug that a test finds has no flags')
    scenario = values.get('Scenario', '')
    if scenario and (test or flags):
        raise BadPatch(f'{name}: a bug that a scenario shows has a checker, and no flags')
    return Patch(name, path, values['Catalogue'], int(values['Rated']), checker, prose.strip(), '--- a/' + diff, test, flags, scenario)


def load(folder):
    """All patches of a folder, by name."""
    found = []
    for file_name in sorted(os.listdir(folder)):
        if not file_name.endswith(SUFFIX):
            continue
        path = os.path.join(folder, file_name)
        with open(path, encoding='utf-8') as file:
            found.append(parse(file_name[:-len(SUFFIX)], path, file.read()))
    return found


def apply_to(patch, root, marks=False):
    """Changes the files below `root`. With `marks` its marks are written, otherwise they do nothing. Raises BadPatch if the patch
    does not apply exactly; some files may then be changed."""
    run = subprocess.run(['patch', '-p1', '--batch', '--forward', '--fuzz=0', '--no-backup-if-mismatch', '-r', '-'],
                         cwd=root, input=patch.diff, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if run.returncode != 0:
        raise BadPatch(f'{patch.name} does not apply to this tree; adapt the patch ({patch.path}):\n{run.stdout.strip()}')
    for name in patch.files if patch.marks else []:
        path = os.path.join(root, name)
        with open(path, encoding='utf-8') as file:
            text = file.read()
        if _MARK in text:
            with open(path, 'w', encoding='utf-8') as file:
                file.write((_MARKS_ON if marks else _MARKS_OFF) + text)
