"""Checks the commits since this file: each subject names what it holds, and large changes have a reason.

    python3 .ci/check_commits.py [BASE]      the commits of BASE..HEAD; by default those since this file was added

- The subject is `area: verb object`, of at most 65 characters. Each area, separated by commas, is the beginning of the path of
  a changed file.
- A commit with 60 new lines or more has a body.

Exit status: 0 if all commits keep to the rules, else 1.
"""
import re
import subprocess
import sys
from dataclasses import dataclass, field

SUBJECT_MAX = 65
LINES_WITHOUT_BODY_MAX = 59
_SUBJECT = re.compile(r'([A-Za-z0-9_./-]+(?:, [A-Za-z0-9_./-]+)*): ([a-z][a-z-]*) \S')
_START = '\x1e'
_FIELD = '\x1f'


@dataclass
class Commit:
    id: str
    subject: str
    body: str
    files: list[str] = field(default_factory=list)
    new_lines: int = 0


def parse(log: str) -> list[Commit]:
    """The output of `git log` in the format of `read`."""
    commits = []
    for text in log.split(_START)[1:]:
        id_, subject, body, numbers = text.split(_FIELD)
        commit = Commit(id_, subject, body.strip())
        for line in numbers.strip().splitlines():
            added, _, path = line.split('\t', 2)
            commit.files.append(path)
            commit.new_lines += 0 if added == '-' else int(added)
        commits.append(commit)
    return commits


def faults(commit: Commit) -> list[str]:
    """The rules that the commit breaks, in words."""
    found = []
    if len(commit.subject) > SUBJECT_MAX:
        found.append(f'the subject has {len(commit.subject)} characters, at most {SUBJECT_MAX}')
    match = _SUBJECT.match(commit.subject)
    if match is None:
        found.append('the subject is not "area: verb object"')
    else:
        for area in match[1].split(', '):
            if not any(path.lower().startswith(area.lower()) for path in commit.files):
                found.append(f'no changed file is in "{area}"')
    if commit.new_lines > LINES_WITHOUT_BODY_MAX and not commit.body:
        found.append(f'{commit.new_lines} new lines and no body that says why')
    return found


def _git(*arguments: str) -> str:
    return subprocess.run(['git', *arguments], check=True, capture_output=True, text=True).stdout


def read(base: str) -> list[Commit]:
    return parse(_git('log', '--no-merges', '--no-renames', '--numstat', f'--format={_START}%h{_FIELD}%s{_FIELD}%b{_FIELD}',
                      f'{base}..HEAD'))


def main(arguments: list[str]) -> int:
    try:
        added = _git('log', '--diff-filter=A', '--format=%H', '--', '.ci/check_commits.py').split()
        base = arguments[0] if arguments else added[-1]
        commits = read(base)
    except (OSError, subprocess.CalledProcessError, IndexError):
        print('commits: there is no history to check')
        return 0
    bad = 0
    for commit in commits:
        for fault in faults(commit):
            bad += 1
            print(f'{commit.id} {commit.subject}\n    {fault}')
    print(f'commits: {len(commits)} checked, {bad} faults')
    return 1 if bad else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
