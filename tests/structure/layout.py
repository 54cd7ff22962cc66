"""How files look: sizes, banners, include guards, leftovers, and links in pages that lead somewhere."""

import ast
import os
import re

import cpp_text
from bans import Finding

FILE_LINES_MAX = 800
TEST_FILE_LINES_MAX = 1200
FUNCTION_LINES_MAX = 70
TEST_FUNCTION_LINES_MAX = 120
BANNER_LINES_MIN, BANNER_LINES_MAX = 2, 30

# rule -> {path: reason}.
EXCEPTIONS = {}

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
        if first is None or first.group(1) != header:
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
              'SECURITY.md', 'WORKSPACE', 'bazelw'}


def check_root(path):
    """The root holds a fixed list of files; everything else has a folder."""
    if '/' not in path and path not in ROOT_FILES:
        yield Finding(path, 1, 'root', 'a new file in the root: give it a folder, or add it to ROOT_FILES')


_NAMED_PATH = re.compile(r'(?<![\w/.-])((?:env|raft|shardctrl|kv|node|lincheck|sim|net|tests|bench|examples|docs)/[\w/.-]*\w'
                         r'\.(?:h|cc|proto|py|md|txt|bzl|golden|hex))\b')


def check_named_paths(path, text, files):
    """Files of this repository that comments of sources and BUILD files name."""
    if not path.endswith(('.h', '.cc', '.proto', '.bazel', '.bzl')):
        return
    marker = '//' if path.endswith(('.h', '.cc', '.proto')) else '#'
    for number, line in enumerate(text.split('\n'), 1):
        comment = line.partition(marker)[2]
        for named in _NAMED_PATH.findall(comment):
            if named not in files:
                yield Finding(path, number, 'named-path', f'{named} does not exist')


_ADVICE = re.compile(r'add (it|the node) again|(returns?|comes? back) (as|under) a new|let (it|the node) return|[Rr]emove (this|that|the) replica')


def check_advice(path, text):
    """Messages and pages recommend only what this version can do: its groups never change their members."""
    if path.startswith(('docs/decisions/', 'tests/structure/')) or not path.endswith(('.cc', '.h', '.md', '.py')):
        return
    # A sentence may be broken over lines and string literals.
    joined = re.sub(r'"?\s*\n\s*(//|"|#)?\s*', ' ', text)
    joined = re.sub(r'  +', ' ', joined)
    match = _ADVICE.search(joined)
    if match:
        yield Finding(path, 1, 'advice', f'"{match.group(0)}": no replica can be removed, added or replaced; see docs/operate/failures.md')


_DECISION_PARTS = ('Context', 'Decision', 'Alternatives', 'How we would notice that it was wrong')


def check_decisions(files, read_page):
    """Decision records have continuous numbers and one form, and their index lists each of them."""
    folder = 'docs/decisions/'
    records = sorted(f for f in files if re.match(folder + r'\d{4}-', f))
    for number, path in enumerate(records, 1):
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
