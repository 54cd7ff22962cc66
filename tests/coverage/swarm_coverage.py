"""The lines of raft/, kv/, node/ and shardctrl/ that no run of a swarm executes, by function.

  ./bazelw run //tests:swarm_coverage [-- SEEDS] [--output FILE] [--before FILE]

Builds the simulator with gcov and runs the seeds 1..SEEDS (default 200) in two processes. Then it prints each function with lines that
never ran, with these lines, and their share of all lines. It takes about 20 minutes on two cores.

These lines do not count:
- lines of folders named `testing`, whose code runs in tests and simulations only
- lines of the files LEFT_OUT
- lines on which the compiler alone puts code: closing braces, the heads of classes, `= default`, and initial values of members

FILE of `--output` (default: coverage.json in the root, which .gitignore names) gets these functions as JSON. An output of an earlier commit is the
FILE of `--before`. The exit status is 1 in these cases:
- more than 3 % of the lines never ran
- a function has lines that never ran, and has none of them in the file of `--before`
- a run had a violation
"""

import argparse
import collections
import functools
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

TARGET = '//tests/coverage:runs'
FOLDERS = ('raft', 'kv', 'node', 'shardctrl')
# Parsing of configuration; texts for people.
LEFT_OUT = ('node/config/config_parser', 'node/config/toml', 'node/pages/info_page', 'node/resp/help_reply')
# Optimised code has lines that seem never to run: the heads of functions that are inlined everywhere, and initial values of members.
OPTIONS = [
    '-c', 'opt', '--copt=-O1', '--copt=-fno-inline', '--collect_code_coverage',
    '--instrumentation_filter=^//(' + '|'.join(FOLDERS) + ')[/:]'
]
MOST = 3.0
OUTPUT = 'coverage.json'
PROCESSES = 2


def run_seeds(binary, seeds, folder):
    """Runs the seeds in PROCESSES processes, which add up their counts in `folder`. Prints violations. True: there are none."""
    clean = True
    # Objects were compiled in /proc/self/cwd, which is left out of the places of their counts.
    environment = dict(os.environ, GCOV_PREFIX=folder, GCOV_PREFIX_STRIP='3')
    share = (seeds + PROCESSES - 1) // PROCESSES
    ranges = [(first, min(first + share - 1, seeds)) for first in range(1, seeds + 1, share)]
    runs = [
        subprocess.Popen([binary, str(first), str(last)], stdout=subprocess.PIPE, text=True, env=environment) for first, last in ranges
    ]
    for run in runs:
        for line in run.communicate()[0].splitlines():
            if not line.endswith(' clean'):
                print('seed', line)
                clean = False
        if run.returncode != 0:
            sys.exit(f'{binary} ended with status {run.returncode}')
    return clean


def read_counts(root, bin_folder, folder):
    """{(file, line): count} and {file: {(first line, last line): function}}, over all objects."""
    counts = collections.Counter()
    functions = collections.defaultdict(dict)

    @functools.lru_cache(None)
    def source(path):
        with open(os.path.join(root, path), encoding='utf-8') as file:
            return file.read().split('\n')

    for product in FOLDERS:
        for place, _, names in os.walk(os.path.join(bin_folder, product)):
            for name in names:
                beside = os.path.join(folder, 'bazel-out/k8-opt/bin', os.path.relpath(place, bin_folder))
                # An object that an earlier build left has no counts.
                if name.endswith('.gcno') and os.path.exists(os.path.join(beside, name[:-4] + 'gcda')):
                    shutil.copy(os.path.join(place, name), beside)
                    for file in read_object(os.path.join(beside, name)):
                        take_file(file, counts, functions, source)
    return counts, functions


def has_code(text):
    """Whether a line has code of its own, beyond what the compiler adds for members and for the end of a block."""
    return not re.fullmatch(r'\s*(\};?|(class|struct) [^;]*\{|.*= default;)', text)


def read_object(path):
    """The files of an object, as gcov describes them."""
    out = subprocess.run(['gcov', '--json-format', '--stdout', path], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    return [file for document in out.splitlines() for file in json.loads(document)['files']]


def take_file(file, counts, functions, source):
    path = file['file']
    if not path.startswith(tuple(folder + '/' for folder in FOLDERS)) or path.startswith(LEFT_OUT) or '/testing/' in path:
        return
    texts = source(path)
    for line in file['lines']:
        if has_code(texts[line['line_number'] - 1]):
            counts[path, line['line_number']] += line['count']
    for function in file['functions']:
        functions[path][function['start_line'], function['end_line']] = name_of(function['demangled_name'])


def name_of(demangled):
    """The function of a whole signature, with its class and without its arguments."""
    name = demangled.replace('(anonymous namespace)::', '').replace('[abi:cxx11]', '')
    name = re.sub(r'quorate::(\w+::)?(?=[\w~]+(::|\(|<|$))', '', name)
    while re.search(r'<[^<>]*>', name):
        name = re.sub(r'<[^<>]*>', '', name)
    return re.sub(r'\(.*', '', name).split(' ')[-1]


def lines_of_functions(counts, functions):
    """{(file, function): {line: count}}. A line of a lambda belongs to the function around it. Other lines are initial values of members."""
    lines = collections.defaultdict(dict)
    of_file = {path: sorted(ranges.items()) for path, ranges in functions.items()}
    for (path, line), count in sorted(counts.items()):
        around = [name for (first, last), name in of_file.get(path, []) if first <= line <= last]
        if around:
            lines[path, around[0]][line] = count
    return lines


def encoded(missing, whole):
    """The text of an output: the functions of `missing`, {(file, function): [line]}, and the number of all lines."""
    functions = [{'file': path, 'function': name, 'lines': lines} for (path, name), lines in sorted(missing.items())]
    return json.dumps({'lines': whole, 'never_ran': sum(map(len, missing.values())), 'functions': functions}, indent=1) + '\n'


def known_functions(output):
    """The (file, function) pairs of an earlier output."""
    return {(function['file'], function['function']) for function in json.loads(output)['functions']}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('seeds', type=int, nargs='?', default=200)
    parser.add_argument('--output', default=OUTPUT)
    parser.add_argument('--before')
    options = parser.parse_args()
    root = os.environ.get('BUILD_WORKSPACE_DIRECTORY', os.getcwd())
    subprocess.run([os.path.join(root, 'bazelw'), 'build', *OPTIONS, TARGET], cwd=root, check=True)
    bin_folder = os.path.realpath(os.path.join(root, 'bazel-bin'))
    known = None
    if options.before:
        with open(os.path.join(root, options.before), encoding='utf-8') as file:
            known = known_functions(file.read())
    with tempfile.TemporaryDirectory() as folder:
        clean = run_seeds(os.path.join(bin_folder, 'tests/coverage/runs'), options.seeds, folder)
        counts, functions = read_counts(root, bin_folder, folder)
    functions = lines_of_functions(counts, functions)
    missing = {name: [line for line, count in lines.items() if count == 0] for name, lines in functions.items()}
    missing = {name: lines for name, lines in missing.items() if lines}
    new = set() if known is None else set(missing) - known
    for (path, name), lines in sorted(missing.items()):
        print(f'{len(lines):4d}  {path}  {name}  {" ".join(map(str, lines))}' + ('  (new)' if (path, name) in new else ''))
    total = sum(map(len, missing.values()))
    whole = sum(map(len, functions.values()))
    share = 100.0 * total / max(whole, 1)
    print(f'{total} of {whole} lines never ran: {share:.1f} %, at most {MOST} %')
    with open(os.path.join(root, options.output), 'w', encoding='utf-8') as file:
        file.write(encoded(missing, whole))
    return 0 if clean and share <= MOST and not new else 1


if __name__ == '__main__':
    sys.exit(main())
