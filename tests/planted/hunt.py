"""Plants known bugs into a copy of the source tree, one after another, and searches each with the simulator or a test.

    ./bazelw run //tests/planted:hunt                                  all bugs
    ./bazelw run //tests/planted:hunt -- success-by-index-alone        one bug
    ./bazelw run //tests/planted:hunt -- --seeds 501..1000 --jobs 2    with other seeds

A bug is found if a checker reports a violation for a seed that is clean without the patch. A failed CHECK of the product or a
crash is luck: it is reported, and the hunt goes on after that seed. A patch outside the simulation names a test, and is found
if a case of it fails that passes without the patch. A patch with a scenario is found if `simulate explore` reports a violation
of the scenario with the patch, and none without it. Exit status: 0 if all bugs are found, 1 if some are not,
2 if a patch does not apply or build, or for bad usage.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass

import patches
import tree_copy

BLOCK_SEEDS = 20
_FAILED = re.compile(r'^\r?seed (\d+) FAILED: (.*)$', re.MULTILINE)
# Failures that no checker reported.
_LUCK = re.compile(r'^(\./)?[\w/]+\.(cc|h):\d+: CHECK failed|^the run (died|took|ended)')


# The beginning of a case in the output of a test, and a failed expectation.
_CASE = re.compile(r'^\[ RUN      \] ([\w/]+\.[\w/]+)')
_FAILURE = re.compile(r'^\S+:\d+: Failure$')


@dataclass
class Result:
    patch: patches.Patch
    seed: int = 0  # Zero: not found by the simulator.
    message: str = ''  # The violation, or the first failed case of a test.
    seeds_tried: int = 0
    lucky: int = 0  # Seeds that ended with a failed CHECK or a crash.
    seconds: float = 0.0
    error: str = ''  # Why it was not hunted: a build failed, or the test fails without the patch.

    @property
    def found(self):
        return self.message != ''

    @property
    def checker(self):
        return checker_of(self.message)


def checker_of(message):
    """The checker that reported it: the beginning of the message, up to its first colon, without the group."""
    return re.sub(r'^group \d+: ', '', message).partition(':')[0]


def failures(output):
    """(seed, first line of the first violation) of each seed that `simulate swarm` reported, ascending."""
    return sorted((int(seed), message) for seed, message in _FAILED.findall(output))


def is_luck(message):
    return _LUCK.match(message) is not None


def swarm(binary, first, last, jobs, flags):
    run = subprocess.run([binary, 'swarm', '--seeds', f'{first}..{last}', '--jobs', str(jobs), '--budget', '0s', *flags],
                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    if run.returncode not in (0, 1):
        raise RuntimeError(f'{binary} swarm ended with status {run.returncode}')
    return failures(run.stdout)


class Progress:
    """One line on standard error: overwritten on a terminal, otherwise printed at the beginning of each stage only."""

    def __init__(self):
        self._terminal = sys.stderr.isatty()
        self._stage = None

    def say(self, stage, detail=''):
        if self._terminal:
            sys.stderr.write(f'\r\033[K{stage}{detail}')
        elif stage != self._stage:
            sys.stderr.write(stage + '\n')
        self._stage = stage
        sys.stderr.flush()

    def end(self):
        if self._terminal:
            sys.stderr.write('\r\033[K')


def hunt(patch, planted, clean, seeds, jobs, say):
    """Runs seeds in order until a checker reports a violation that it does not report without the patch."""
    begin = time.monotonic()
    result = Result(patch)
    first, last = seeds
    for block in range(first, last + 1, BLOCK_SEEDS):
        end = min(block + BLOCK_SEEDS - 1, last)
        say(f': {block - first} of {last - first + 1} seeds, {time.monotonic() - begin:.0f} s')
        for seed, message in swarm(planted, block, end, jobs, patch.flags):
            if is_luck(message):
                result.lucky += 1
            elif not swarm(clean, seed, seed, 1, patch.flags):
                result.seed, result.message = seed, message
                break
        result.seeds_tried = (result.seed or end) - first + 1
        if result.found:
            break
    result.seconds = time.monotonic() - begin
    return result


def explore(binary, scenario, jobs):
    """The result of `simulate explore`: an object with executions, states, exhausted and violation."""
    with tempfile.TemporaryDirectory() as folder:
        run = subprocess.run([binary, 'explore', '--scenario', scenario, '--jobs', str(jobs), '--json',
                              '--tape-out', os.path.join(folder, 'found.tape')],
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    if run.returncode not in (0, 1):
        raise RuntimeError(f'{binary} explore ended with status {run.returncode}')
    return json.loads(run.stdout)


def hunt_with_scenario(patch, planted, clean, jobs):
    """Explores the scenario of the patch with and without it."""
    begin = time.monotonic()
    result = Result(patch)
    found = explore(planted, patch.scenario, jobs)
    result.seeds_tried, result.seconds = found['executions'], time.monotonic() - begin
    message = found['violation'].partition('\n')[0]
    if is_luck(message):
        result.lucky = 1
    elif message and not explore(clean, patch.scenario, jobs)['violation']:
        result.message = message
    return result


def failed_cases(output):
    """The cases of a test with failed expectations, each once, in the order of the output. A crash alone is none."""
    cases, case = [], None
    for line in output.split('\n'):
        begin = _CASE.match(line)
        if begin:
            case = begin[1]
        elif case and _FAILURE.match(line) and case not in cases:
            cases.append(case)
    return cases


def hunt_with_test(patch, tree):
    """Runs the test of the patch without and with it."""
    begin = time.monotonic()
    if tree.run_test(patch.test):
        raise tree_copy.BuildFailed(f'{patch.test} fails without any patch')
    result = Result(patch)
    output = tree.run_test_patched(patch)
    result.message = next(iter(failed_cases(output)), '')
    result.lucky = int(output != '' and not result.found)
    result.seconds = time.monotonic() - begin
    return result


def format_table(results):
    lines = ['| bug | catalogue | rated | seeds | checker | seconds |', '|---|---|---|---|---|---|']
    for r in results:
        if r.error:
            lines.append(f'| {r.patch.name} | {r.patch.catalogue} | {r.patch.rating} | | not hunted | |')
            continue
        if r.patch.test:
            case = r.message or 'not found' + (', but the test died' if r.lucky else '')
            lines.append(f'| {r.patch.name} | {r.patch.catalogue} | {r.patch.rating} | | {case} | {r.seconds:.0f} |')
            continue
        seeds = str(r.seeds_tried) if r.found else f'not in {r.seeds_tried}'
        if r.patch.scenario:
            seeds += f' executions of {r.patch.scenario}'
        luck = f' ({r.lucky} of them a failed CHECK or a crash)' if r.lucky else ''
        lines.append(f'| {r.patch.name} | {r.patch.catalogue} | {r.patch.rating} | {seeds}{luck} | {r.checker} | {r.seconds:.0f} |')
    return '\n'.join(lines)


def parse_seeds(text):
    match = re.fullmatch(r'(\d+)\.\.(\d+)', text)
    if match is None or not 0 < int(match[1]) <= int(match[2]):
        raise argparse.ArgumentTypeError(f"expected A..B, for example 1..500, found '{text}'")
    return int(match[1]), int(match[2])


def choose(known, names):
    by_name = {patch.name: patch for patch in known}
    for name in names:
        if name not in by_name:
            raise patches.BadPatch(f"no patch '{name}'; there are: {', '.join(by_name)}")
    return [by_name[name] for name in names] or known


def run(chosen, arguments):
    progress = Progress()
    source = tree_copy.source_root()
    copy = tree_copy.TreeCopy(source, jobs=arguments.jobs)
    progress.say(f'copying {source} to {copy.root} and building it')
    copy.refresh()
    clean = copy.build('simulate') if any(not patch.test for patch in chosen) else None
    results = []
    for number, patch in enumerate(chosen, 1):
        stage = f'{number} of {len(chosen)}: {patch.name}'
        progress.say(stage, ': building')
        try:
            if patch.test:
                result = hunt_with_test(patch, copy)
            else:
                planted = copy.build_patched(patch)
                if patch.scenario:
                    progress.say(stage, ': exploring')
                    result = hunt_with_scenario(patch, planted, clean, arguments.jobs)
                else:
                    result = hunt(patch, planted, clean, arguments.seeds, arguments.jobs, lambda detail, s=stage: progress.say(s, detail))
        except tree_copy.BuildFailed as error:
            result = Result(patch, error=str(error))
        results.append(result)
        progress.end()
        if result.error:
            print(f'{patch.name}: NOT HUNTED: {result.error}', flush=True)
        elif result.found:
            where = patch.test or patch.scenario or f'seed {result.seed}'
            print(f'{patch.name} ({patch.catalogue}, rated {patch.rating}): {where}: {result.message[:200]}', flush=True)
        else:
            print(f'{patch.name} ({patch.catalogue}, rated {patch.rating}): NOT FOUND', flush=True)
    found = sum(r.found for r in results)
    print(f'\n{format_table(results)}\n\n{found} of {len(results)} found')
    if any(r.error for r in results):
        return 2
    return 0 if found == len(results) else 1


def main(words):
    parser = argparse.ArgumentParser(prog='hunt', description='Plants known bugs into a copy of the tree and hunts them.')
    parser.add_argument('names', metavar='NAME', nargs='*', help='names of patches; default: all')
    parser.add_argument('--seeds', type=parse_seeds, default=(1, 500), metavar='A..B', help='seeds to try; default: 1..500')
    parser.add_argument('--jobs', type=int, default=2, metavar='N', help='number of parallel processes; default: 2')
    parser.add_argument('--list', action='store_true', help='list the patches and exit')
    arguments = parser.parse_args(words)
    try:
        folder = os.path.join(tree_copy.source_root(), 'tests', 'planted', 'patches')
        chosen = choose(patches.load(folder), arguments.names)
        if arguments.list:
            for patch in chosen:
                print(f'{patch.name} ({patch.catalogue}, rated {patch.rating})')
            return 0
        return run(chosen, arguments)
    except (patches.BadPatch, tree_copy.BuildFailed) as error:
        print(f'\nhunt: {error}', file=sys.stderr)
        return 2


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
