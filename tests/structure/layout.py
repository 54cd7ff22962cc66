"""How files look: sizes, banners, include guards, leftovers, and links in pages that lead somewhere."""

import ast
import os
import re

import cpp_text
import python_text
from arrows import OTHER_ROOTS
from bans import Finding

FILE_LINES_MAX = 800
TEST_FILE_LINES_MAX = 1200
FUNCTION_LINES_MAX = 70
TEST_FUNCTION_LINES_MAX = 120
FOLDER_FILES_MAX = 40
BANNER_LINES_MIN, BANNER_LINES_MAX = 2, 30

# rule -> {path: reason}.
EXCEPTIONS = {
    'folder-size': {
        'docs/decisions': 'the records are one list',
    }
}

_LEFTOVER = re.compile(r'\b(TO' r'DO|FIX' r'ME|XX' r'X|HA' r'CK)\b')
_TEXT = ('.h', '.cc', '.py', '.sh', '.bzl', '.bazel', '.proto', '.toml', '.md', '.txt', '.html', '.js', '.css')


# Files of testonly targets, beside those whose names look like tests; set by the caller, which has parsed the BUILD files.
TEST_FILES = set()


def is_test_path(path):
    name = os.path.basename(path)
    return path in TEST_FILES or path.startswith('tests/') or re.search(r'_test\.(cc|h|py|sh)$', name) is not None or '/testing/' in path


def check_file_size(path, text):
    limit = TEST_FILE_LINES_MAX if is_test_path(path) else FILE_LINES_MAX
    lines = text.count('\n')
    if path.endswith(('.h', '.cc', '.py', '.sh', '.bzl')) and lines > limit:
        yield Finding(path, limit, 'file-size', f'{lines} lines, at most {limit}: split it along its subjects')


def check_folder_sizes(files):
    """Files of the product in one folder, beside the tests, what they read, and the BUILD file."""
    count = {}
    for path in files:
        folder, name = os.path.split(path)
        if folder and not is_test_path(path) and 'testdata' not in folder.split('/') and name != 'BUILD.bazel':
            count[folder] = count.get(folder, 0) + 1
    for folder, number in sorted(count.items()):
        if number > FOLDER_FILES_MAX:
            yield Finding(folder, 1, 'folder-size', f'{number} files, at most {FOLDER_FILES_MAX}: give a part of them a folder of its own')


def _too_long(path, name, first, lines):
    limit = TEST_FUNCTION_LINES_MAX if is_test_path(path) else FUNCTION_LINES_MAX
    if lines > limit:
        yield Finding(path, first, 'function-size', f'{name} has {lines} lines, at most {limit}')


def check_function_sizes(path, text):
    if path.endswith(('.h', '.cc')):
        for function in cpp_text.functions(cpp_text.code_only(text)):
            yield from _too_long(path, function.name, function.first_line, function.lines)
    elif path.endswith('.py'):
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                yield from _too_long(path, node.name, node.lineno, node.end_lineno - node.lineno + 1)


def check_banner(path, text):
    """A header begins with its path and a description."""
    if not path.endswith('.h'):
        return
    lines = text.split('\n')
    length = next((i for i, line in enumerate(lines) if not line.startswith('//')), len(lines))
    if not lines[0].startswith(f'// {path}: '):
        yield Finding(path, 1, 'banner', f'a header begins with "// {path}: what it is"')
    elif not BANNER_LINES_MIN <= length <= BANNER_LINES_MAX:
        yield Finding(path, 1, 'banner', f'{length} lines of banner; {BANNER_LINES_MIN} to {BANNER_LINES_MAX} describe it, '
                                         'its place and the things it must not depend on')


def check_guard(path, text):
    if not path.endswith('.h'):
        return
    guard = 'QUORATE_' + re.sub(r'\W', '_', path.upper()) + '_'
    if f'#ifndef {guard}\n#define {guard}\n' not in text:
        yield Finding(path, 1, 'guard', f'the include guard is {guard}')
    if re.search(r'^\s*using\s+namespace\b', cpp_text.code_only(text), re.MULTILINE):
        yield Finding(path, 1, 'guard', 'a header has no using-directive')


def check_own_header_first(path, text, files):
    """foo.cc includes foo.h before anything else, which proves that foo.h compiles alone."""
    header = path[:-3] + '.h'
    if path.endswith('.cc') and header in files:
        first = re.search(r'^#include\s*[<"]([^>"]+)[>"]', text, re.MULTILINE)
        # A workspace of its own has paths from its own root.
        root = next((f'{root}/' for root in OTHER_ROOTS if path.startswith(f'{root}/')), '')
        if first is None or first.group(1) != header.removeprefix(root):
            yield Finding(path, 1, 'own-header', f'the first #include is "{header}", so that it is known to compile alone')


def check_leftovers(path, text):
    if path.endswith(_TEXT):
        for number, line in enumerate(text.split('\n'), 1):
            match = _LEFTOVER.search(line)
            if match:
                yield Finding(path, number, 'leftover', f'{match.group(1)}: finish it, or write an issue and remove this')


def check_whitespace(path, text):
    if path.endswith(_TEXT) and '/testdata/' not in path:
        for number, line in enumerate(text.split('\n'), 1):
            if line != line.rstrip():
                yield Finding(path, number, 'whitespace', 'trailing whitespace')
        if text and not text.endswith('\n'):
            yield Finding(path, text.count('\n') + 1, 'whitespace', 'no newline at the end')


def check_binary(path, content):
    """Sources are text. Binary files are test inputs (testdata/) or pictures of the pages (docs/images/)."""
    if 'testdata' in path.split('/')[:-1] or path.startswith('docs/images/'):
        return
    try:
        binary = '\0' in content.decode('utf-8')
    except UnicodeDecodeError:
        binary = True
    if binary:
        yield Finding(path, 1, 'binary', 'a binary file: programs are built, test inputs live in testdata/, pictures in docs/images/')


ROOT_FILES = {'.bazelrc', '.clang-format', '.gitignore', 'BUILD.bazel', 'CHANGELOG.md', 'CONTRIBUTING.md', 'LICENSE', 'README.md',
              'SECURITY.md', 'WORKSPACE', 'bazelw', 'deps.bzl'}


def check_root(path):
    """The root holds a fixed list of files; everything else has a folder."""
    if '/' not in path and path not in ROOT_FILES:
        yield Finding(path, 1, 'root', 'a new file in the root: give it a folder, or add it to ROOT_FILES')


_NAMED_PATH = re.compile(r'(?<![\w/.:<"-])((?:env|raft|shardctrl|kv|node|lincheck|sim|net|tests|bench|deploy|examples|docs|third_party)/[\w/.-]*\w)')
_NAMED_FILE = re.compile(r'(?<![\w/.<"-])(\w[\w-]*\.(?:h|cc|proto|py|md|txt|bzl|golden|hex|toml|sh|patch))\b')
# The usual names of examples: foo.h, docs/NAME.
_EXAMPLE = re.compile(r'foo\.|[A-Z]+$')


def _commentary(path, text):
    """(line number, line of a comment); of Python files the lines of docstrings, too."""
    if path.endswith('.py'):
        yield from python_text.split(text)[0]
        return
    marker = '//' if path.endswith(('.h', '.cc', '.proto')) else '#'
    for number, line in enumerate(text.split('\n'), 1):
        yield number, line.partition(marker)[2]


def has_commentary(path):
    return path.endswith(('.h', '.cc', '.proto', '.bazel', '.bzl', '.py')) and not path.startswith('third_party/')


def named_things(files):
    """The names that comments may use for `files`: paths with and without ending, folders, and names without folder."""
    paths = set(files)
    for path in files:
        parts = path.split('/')
        paths.update('/'.join(parts[:n]) for n in range(1, len(parts)))
        paths.add(path.rsplit('.', 1)[0])
        # A decision record is named by its number.
        paths.update(re.findall(r'^docs/decisions/\d{4}', path))
    return paths, {os.path.basename(path) for path in files}


def check_named_paths(path, text, named):
    """Files and folders of this repository that comments of sources and BUILD files name. `named` is the result of named_things()."""
    paths, names = named
    for number, comment in _commentary(path, text):
        missing = [name for name in _NAMED_PATH.findall(comment) if name not in paths and not _EXAMPLE.search(os.path.basename(name))]
        missing += [name for name in _NAMED_FILE.findall(comment) if name not in names and not _EXAMPLE.match(name)]
        for name in missing:
            yield Finding(path, number, 'named-path', f'{name} does not exist')


# program -> the folder of its arguments.
PROGRAMS = {'quorated': 'net/cmd/', 'quoratectl': 'net/cmd/', 'quickstart': 'net/cmd/', 'simulate': 'sim/tools/', 'lincheck': 'lincheck/cmd/'}
COMMAND_TABLE = 'node/commands/command_table_data.h'
_INVOCATION = re.compile(r'(?<![\w-])(' + '|'.join(PROGRAMS) + r')((?: +[^\s`"|]+)+)')
_OPTION = re.compile(r'--[a-z][\w-]*')
_SERVER_COMMAND = re.compile(r'\bQUORATE\.[A-Z]+\b')


def program_words(files, read_file):
    """program -> (its options, the words that its sources compare arguments with); '' -> the server's own commands."""
    found = {'': set(_SERVER_COMMAND.findall(read_file(COMMAND_TABLE).upper()))}
    for program, folder in PROGRAMS.items():
        sources = [f for f in files if f.startswith(folder) and f.endswith('.cc') and not f.endswith('_test.cc')]
        # One file for each program, or one program for the folder.
        own = [f for f in sources if f == f'{folder}{program}.cc'] if folder == 'net/cmd/' else sources
        text = '\n'.join(map(read_file, own))
        found[program] = (set(_OPTION.findall(text)) | {'--help'}, set(re.findall(r'"([a-z]+(?:-[a-z]+)*)"', text)))
    return found


def _texts_for_users(path, text):
    """(line number, text, whether all of it is a command line): a page's code and sentences, or the literals of a source."""
    if path.endswith('.md'):
        fenced = False
        for number, line in enumerate(text.split('\n'), 1):
            fenced = fenced != line.lstrip().startswith('```')
            if fenced or line.startswith('    '):
                yield number, line, True
            else:
                yield from ((number, code, True) for code in re.findall(r'`([^`]+)`', line))
                yield number, re.sub(r'`[^`]*`', '`', line), False
    else:
        for number, line in enumerate(text.split('\n'), 1):
            yield from ((number, literal, False) for literal in re.findall(r'"((?:[^"\\]|\\.)*)"', line))


def check_advice(path, text, programs):
    """Pages and messages recommend only commands and options that exist. `programs` is the result of program_words()."""
    if path.startswith('tests/') or is_test_path(path) or not path.endswith(('.cc', '.h', '.md')):
        return
    for number, part, is_code in _texts_for_users(path, text):
        for name in _SERVER_COMMAND.findall(part):
            if name not in programs['']:
                yield Finding(path, number, 'advice', f'there is no command {name}')
        for program, rest in _INVOCATION.findall(part):
            options, words = programs[program]
            for option in _OPTION.findall(rest):
                if option not in options:
                    yield Finding(path, number, 'advice', f'{program} has no option {option}')
            command = re.match(r'(?: +--)?(?: +--(?:json|[a-z-]+[= ]\S+))* +([a-z]+(?:-[a-z]+)*)\b(?![./])', rest)
            if is_code and program in ('quoratectl', 'simulate') and command and command.group(1) not in words:
                yield Finding(path, number, 'advice', f'{program} has no command {command.group(1)}')


_DECISION_PARTS = ('Context', 'Decision', 'Alternatives', 'How we would notice that it was wrong')


def check_decisions(files, read_page):
    """Decision records have continuous numbers and one form, and their index lists each of them.

    The index also lists each number that a removed record had; no other record gets it.
    """
    folder = 'docs/decisions/'
    records = sorted(f for f in files if re.match(folder + r'\d{4}-', f))
    removed = {int(number) for number in re.findall(r'^\| (\d{4}) \|', read_page(folder + 'README.md'), re.MULTILINE)} if records else set()
    number = 0
    for path in records:
        number += 1
        while number in removed:
            number += 1
        name = os.path.basename(path)
        page = read_page(path)
        if not name.startswith(f'{number:04d}-') or not page.startswith(f'# {number:04d}: '):
            yield Finding(path, 1, 'decision', f'the next number is {number:04d}, in the name and in the title')
        for part in _DECISION_PARTS:
            if f'\n**{part}.** ' not in page and f'\n**{part}.**\n' not in page:
                yield Finding(path, 1, 'decision', f'a record has a part "**{part}.**"')
        if f']({name})' not in read_page(folder + 'README.md'):
            yield Finding(path, 1, 'decision', 'docs/decisions/README.md does not list it')


def anchors_of(markdown):
    """The anchors that a page's headings get."""
    found = set()
    fenced = False
    for line in markdown.split('\n'):
        if line.startswith('```'):
            fenced = not fenced
        match = None if fenced else re.match(r'#{1,6}\s+(.*?)\s*#*$', line)
        if match:
            title = re.sub(r'\[([^\]]*)\]\([^)]*\)', r'\1', match.group(1)).replace('`', '')
            found.add(re.sub(r'[^\w\- ]', '', title.lower()).replace(' ', '-'))
    return found


_LINK = re.compile(r'\[[^\]]*\]\(\s*<?([^)\s>]+)>?[^)]*\)')
_CODE_PATH = re.compile(r'`((?:[\w.\-]+/)+[\w.\-]+\.(?:h|cc|md|py|proto|toml|txt|sh|bazel|bzl))`')


def _without_fences(markdown):
    lines, fenced = [], False
    for line in markdown.split('\n'):
        if line.lstrip().startswith('```'):
            fenced = not fenced
            line = ''
        lines.append('' if fenced else line)
    return lines


_LABEL = re.compile(r'(?<![\w:/.])//([a-z_][\w/]*\w)?(?::([\w.-]+)|(/?\.\.\.))?')


def check_labels(path, text, files, read_page):
    """The targets and packages of this build that a page names."""
    for number, line in enumerate(text.split('\n'), 1):
        for match in _LABEL.finditer(line):
            package, target, below = match.groups()
            if not (package or target or below):
                continue
            package = package or ''
            build = os.path.join(package, 'BUILD.bazel')
            if below:
                known = not package or any(f.startswith(package + '/') for f in files)
            else:
                known = build in files and f'"{target or package.rsplit("/", 1)[-1]}"' in read_page(build)
            if not known:
                yield Finding(path, number, 'label', f'there is no {match.group(0)} in the build')


def check_links(path, text, files, read_page):
    """Relative links of a page, with their anchors, and the files of this repository that it names in backquotes."""
    folders = {os.path.dirname(f) for f in files}
    folders |= {'/'.join(f.split('/')[:n]) for f in folders for n in range(1, f.count('/') + 2)}
    top = {f.split('/', 1)[0] for f in files}
    for number, line in enumerate(_without_fences(text), 1):
        for link in _LINK.findall(re.sub(r'`[^`]*`', '', line)):
            if re.match(r'[a-z]+:', link):
                continue
            target, _, anchor = link.partition('#')
            place = os.path.normpath(os.path.join(os.path.dirname(path), target)) if target else path
            if place not in files and place not in folders and place != '.':
                yield Finding(path, number, 'link', f'{link} leads nowhere')
            elif anchor and place.endswith('.md') and anchor not in anchors_of(read_page(place)):
                yield Finding(path, number, 'link', f'{link}: {place} has no such heading')
        for named in _CODE_PATH.findall(line):
            if named.split('/', 1)[0] in top and named not in files:
                yield Finding(path, number, 'link', f'{named} does not exist')
