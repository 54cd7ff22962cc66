"""Says of each planted bug how far the simulator gets with it, and why it does not find the others.

    ./bazelw run //tests/planted:score                                  all bugs
    ./bazelw run //tests/planted:score -- success-by-index-alone        one bug
    ./bazelw run //tests/planted:score -- --seeds 1..400 --jobs 2 --budget 60s

Seeds run in order until a checker reports a violation that it does not report without the patch. A patch may have marks
(tests/planted/patches.py), which say of a run that it reached the bug, and that the bug made a difference. A bug that is not
found is one of these:

    unreached   no run reached it
    rare        less than one run in fifty made a difference
    masked      runs made a difference, but a failed CHECK or a crash ended some of them before a checker looked
    no checker  runs made a difference, and no checker reported one
    unmarked    its patch has no marks

Exit status: 0 if all bugs are found, 1 if some are not, 2 if a patch does not apply or build, or for bad usage.
"""

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import hunt
import patches
import tree_copy

# A bug that makes a difference in fewer runs is rare.
RARE = 1 / 50
_SHRUNK = re.compile(r'shrunk from (\d+) choices to (\d+)')


@dataclass
class Run:
    """One seed with the patch."""
    seed: int
    violation: str = ''
    reached: bool = False
    diverged: bool = False
    core_seconds: float = 0.0


@dataclass
class Score:
    patch: patches.Patch
    seeds: int = 0
    reached: int = 0  # Runs.
    diverged: int = 0  # Runs.
    lucky: int = 0  # Runs that ended with a failed CHECK or a crash.
    core_seconds: float = 0.0  # All these seeds together.
    seed: int = 0  # That found it. Zero: none, or a test did.
    message: str = ''  # The violation, or the first failed case of a test.
    size: str = ''  # "1401 to 7": choices before and after shrinking.
    error: str = ''  # Why there is no score.

    @property
    def found(self):
        return self.message != ''

    @property
    def verdict(self):
        if self.error:
            return 'not built'
        if self.found:
            return 'found'
        if self.patch.test:
            return 'not found'
        if not self.patch.marks:
            return 'unmarked'
        if not self.reached:
            return 'unreached'
        if self.lucky:
            return 'masked'
        return 'rare' if self.diverged < self.seeds * RARE else 'no checker'


def run_seed(binary, seed, flags):
    """Runs one seed in a process of its own, whose marks are written to a file."""
    folder = tempfile.mkdtemp(prefix='quorate-score-')
    try:
        marks, report = os.path.join(folder, 'marks'), os.path.join(folder, 'report')
        # A failing run leaves its tape in its directory.
        command = f'exec "$@" {patches.MARKS_FILE}>"{marks}" >"{report}" 2>/dev/null'
        process = subprocess.Popen(['sh', '-c', command, 'sh', binary, 'run', '--seed', str(seed), '--json', *flags], cwd=folder)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in (0, 1):
            raise RuntimeError(f'{binary} run --seed {seed} ended with status {process.returncode}')
        with open(report, encoding='utf-8') as file:
            violations = json.load(file)['violations']
        with open(marks, encoding='utf-8') as file:
            letters = file.read()
        return Run(seed, violations[0] if violations else '', patches.REACHED in letters, patches.DIVERGED in letters,
                   usage.ru_utime + usage.ru_stime)
    finally:
        shutil.rmtree(folder)


def shrink(binary, seed, flags, jobs, budget):
    """The numbers of choices before and after shrinking, or an empty text."""
    with tempfile.TemporaryDirectory(prefix='quorate-score-') as folder:
        run = subprocess.run([binary, 'shrink', str(seed), '--budget', budget, '--jobs', str(jobs), *flags], cwd=folder,
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    shrunk = _SHRUNK.search(run.stdout)
    return f'{shrunk[1]} to {shrunk[2]}' if shrunk else ''


def score(patch, planted, clean, seeds, jobs, say):
    """Runs seeds in order until one is found."""
    result = Score(patch)
    first, last = seeds
    with ThreadPoolExecutor(jobs) as pool:
        for block in range(first, last + 1, jobs):
            say(f': seed {block} of {last}, {result.diverged} diverged')
            numbers = range(block, min(block + jobs - 1, last) + 1)
            for run in pool.map(lambda seed: run_seed(planted, seed, patch.flags), numbers):
                result.seeds += 1
                result.reached += run.reached or run.diverged
                result.diverged += run.diverged
                result.core_seconds += run.core_seconds
                if not run.violation:
                    continue
                if hunt.is_luck(run.violation):
                    result.lucky += 1
                elif not run_seed(clean, run.seed, patch.flags).violation:
                    result.seed, result.message = run.seed, run.violation
                    return result
    return result


def row(s):
    marked = s.patch.marks and not s.patch.test
    seeds = '' if s.patch.test else f'{s.seeds}'
    return (f'| {s.patch.name} | {s.patch.rating} | {s.reached if marked else ""} | {s.diverged if marked else ""} | {s.verdict} | '
            f'{hunt.checker_of(s.message)} | {seeds} | {s.core_seconds:.1f} | {s.size} |')


def format_table(scores):
    """The table, and a line for each verdict but `found`."""
    lines = ['| bug | rated | reached | diverged | verdict | rule | seeds | core-seconds | choices |', '|---|---|---|---|---|---|---|---|---|']
    lines += [row(one) for one in scores]
    lines += ['', f'{sum(s.found for s in scores)} of {len(scores)} found']
    for verdict in ('unreached', 'rare', 'masked', 'no checker', 'unmarked', 'not found', 'not built'):
        names = [s.patch.name for s in scores if s.verdict == verdict]
        if names:
            lines.append(f'{verdict}: {", ".join(names)}')
    subtle = [s.core_seconds for s in scores if s.seed and s.patch.rating >= 4]
    if subtle:
        lines.append(f'rated 4 and 5, found by seeds: a median of {statistics.median(subtle):.1f} core-seconds')
    sizes = [int(s.size.split(' to ')[1]) for s in scores if s.size]
    if sizes:
        lines.append(f'shrunk: a median of {statistics.median(sizes):g} choices')
    return '\n'.join(lines)


def score_with_test(patch, copy):
    result = hunt.hunt_with_test(patch, copy)
    return Score(patch, lucky=result.lucky, message=result.message)


def run(chosen, arguments):
    progress = hunt.Progress()
    source = tree_copy.source_root()
    copy = tree_copy.TreeCopy(source, jobs=arguments.jobs)
    progress.say(f'copying {source} to {copy.root} and building it')
    copy.refresh()
    clean = copy.build('simulate') if any(not patch.test for patch in chosen) else None
    scores = []
    for number, patch in enumerate(chosen, 1):
        stage = f'{number} of {len(chosen)}: {patch.name}'
        progress.say(stage, ': building')
        try:
            if patch.test:
                one = score_with_test(patch, copy)
            else:
                planted = copy.build_patched(patch, marks=True)
                one = score(patch, planted, clean, arguments.seeds, arguments.jobs, lambda detail, s=stage: progress.say(s, detail))
                if one.found:
                    progress.say(stage, ': shrinking')
                    one.size = shrink(planted, one.seed, patch.flags, arguments.jobs, arguments.budget)
        except tree_copy.BuildFailed as error:
            one = Score(patch, error=str(error))
        scores.append(one)
        progress.end()
        print(row(one) + (f' {one.error}' if one.error else ''), flush=True)
    print('\n' + format_table(scores))
    if any(one.error for one in scores):
        return 2
    return 0 if all(one.found for one in scores) else 1


def main(words):
    parser = argparse.ArgumentParser(prog='score', description='Says of each planted bug how far the simulator gets with it.')
    parser.add_argument('names', metavar='NAME', nargs='*', help='names of patches; default: all')
    parser.add_argument('--seeds', type=hunt.parse_seeds, default=(1, 400), metavar='A..B', help='seeds to try; default: 1..400')
    parser.add_argument('--jobs', type=int, default=2, metavar='N', help='number of parallel processes; default: 2')
    parser.add_argument('--budget', default='60s', metavar='TIME', help='time to shrink each failing run; default: 60s')
    arguments = parser.parse_args(words)
    try:
        folder = os.path.join(tree_copy.source_root(), 'tests', 'planted', 'patches')
        return run(hunt.choose(patches.load(folder), arguments.names), arguments)
    except (patches.BadPatch, tree_copy.BuildFailed) as error:
        print(f'\nscore: {error}', file=sys.stderr)
        return 2


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
