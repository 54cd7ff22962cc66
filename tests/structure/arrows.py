"""The allowed dependencies between packages, for `deps` in BUILD files and for #include lines."""

import os
import re

import tree
from bans import Finding

# Folders of the product; each of their packages has a row in the table of docs/architecture.md.
PRODUCT = ('env', 'raft', 'shardctrl', 'kv', 'node', 'lincheck', 'sim', 'net')
# These may use anything.
FREE = ('tests', 'bench', 'deploy', 'examples', 'docs', 'public', 'third_party', '')
TABLE_PAGE = 'docs/architecture.md'
_ROW = re.compile(r'^\| `([\w/]+)` \| .* \| (-|(?:`[\w/]+` ?)+) \|$', re.MULTILINE)


def read_table(page):
    """package -> the packages that its code may use, as the page says."""
    return {match.group(1): set(re.findall(r'`([\w/]+)`', match.group(2))) for match in _ROW.finditer(page)}


# Workspaces of their own, with paths from their own roots.
OTHER_ROOTS = ('examples/outside',)

# The checker is one library for users in any folder.
APART = ('lincheck',)

# External libraries that pure folders may use: values and algorithms, without threads or input and output.
PURE_EXTERNAL = {
    'com_google_absl': 'containers, strings, Status',
    'nlohmann_json': 'JSON of requests and replies in memory',
    'tomlplusplus': 'parsing of configuration text',
    'boost_beast': 'the grammar of HTTP over bytes in memory',
    'xxhash': 'digests',
}
ENV_EXTERNAL = ('com_google_absl',)
LINCHECK_EXTERNAL = ('com_google_absl',)

# Unit tests are beside the code, and those of raft, kv and node run on the simulator's disk, network and clock.
TEST_EXTRA = ('sim', 'lincheck')

# label -> reason. Targets that may break a rule of this file.
EXCEPTIONS = {}


def folder_of(label):
    """The top folder of an absolute label of this repository; None for an external one."""
    if label.startswith('@'):
        return None
    return label[2:].split(':', 1)[0].split('/', 1)[0]


def package_of(label):
    return label[2:].split(':', 1)[0]


def is_command(package):
    return 'cmd' in package.split('/')


def _may_use(user_package, used_package, is_test, table):
    user, used = user_package.split('/', 1)[0], used_package.split('/', 1)[0]
    if used_package == user_package:
        return True
    if used == 'third_party' or user in FREE or is_command(user_package):
        return not ({user, used} == {'sim', 'net'})
    if used in FREE:
        return is_test
    if not is_test:
        return used_package in table.get(user_package, ())
    # Tests are beside the code. They may use the packages that their folder may use, and the simulator.
    if used in TEST_EXTRA:
        return {user, used} != {'sim', 'net'}
    return user == used or any(package.split('/', 1)[0] == used for row, allowed in table.items()
                               if row.split('/', 1)[0] == user for package in allowed)


def _may_use_external(user, repository):
    if user == 'env':
        return repository in ENV_EXTERNAL
    if user == 'lincheck':
        return repository in LINCHECK_EXTERNAL
    return repository in PURE_EXTERNAL


def _needs_row(target):
    return folder_of(target.label) in PRODUCT and not target.is_test_code and target.kind != 'alias' and not is_command(target.package)


def check_table(targets, table):
    """Each entry of the table is needed, and names a package that exists."""
    used = {}
    for target in targets:
        if not target.is_test_code and target.kind != 'alias':
            used.setdefault(target.package, set()).update(package_of(dep) for dep in target.deps if not dep.startswith('@'))
    for package, allowed in sorted(table.items()):
        for other in sorted(allowed - used.get(package, set())):
            yield Finding(TABLE_PAGE, 1, 'table', f'{package} does not use {other}: take it out of its row')
        if package not in used:
            yield Finding(TABLE_PAGE, 1, 'table', f'there is no package {package}')


def check_targets(targets, table, exceptions=None):
    exceptions = EXCEPTIONS if exceptions is None else exceptions
    for target in targets:
        if target.label in exceptions:
            continue
        path = os.path.join(target.package, 'BUILD.bazel')
        user = folder_of(target.label)
        if user not in FREE and user not in PRODUCT or _needs_row(target) and target.package not in table:
            yield Finding(path, target.line, 'folder', f'{target.package}/ has no row in the table of {TABLE_PAGE}')
            continue
        free = user in FREE or user == 'net' or is_command(target.package) or target.is_test_code
        for dep in target.deps:
            if dep.startswith('@'):
                repository = dep[1:].split('//', 1)[0]
                if not free and not _may_use_external(user, repository):
                    yield Finding(path, target.line, 'external', f'{target.label} may not use @{repository}')
            elif target.kind == 'alias' and is_command(package_of(dep)):
                continue  # A second name of a program.
            elif not _may_use(target.package, package_of(dep), target.is_test_code, table):
                yield Finding(path, target.line, 'arrow', f'{target.label} may not depend on {dep}')
            elif is_command(package_of(dep)) and not is_command(target.package) and user not in FREE and target.kind != 'alias':
                yield Finding(path, target.line, 'arrow', f'{target.label} depends on {dep}, which belongs to a program')


_INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)', re.MULTILINE)


def check_includes(path, text, is_test, table, files):
    """#include lines of one source file. Reports headers that are reachable only through the deps of another target.

    files: the paths of the repository. They tell <net/x.h> of this repository from <net/if.h> of the system.
    """
    package = os.path.dirname(path)
    if package in OTHER_ROOTS:
        return
    for match in _INCLUDE.finditer(text):
        line = text.count('\n', 0, match.start()) + 1
        header = match.group(1) or match.group(2)
        if os.path.normpath(header) != header or header.startswith('../') or match.group(1) and header not in files \
                and os.path.join(package, header) in files:
            yield Finding(path, line, 'relative-include', f'"{header}": name the header by its path from the root of the repository')
            continue
        used = os.path.dirname(header)
        if (match.group(1) or header in files) and used.split('/', 1)[0] in PRODUCT and not _may_use(package, used, is_test, table):
            yield Finding(path, line, 'include', f'{package}/ may not include "{header}"')


def check_visibility(targets):
    """Every target names the folders that may use it; only env/ and public/ are public."""
    for target in targets:
        # An alias is a second name of a program for users.
        if target.kind != 'alias' and '//visibility:public' in (target.visibility or ()) and folder_of(target.label) not in ('env', 'public', '', 'docs'):
            yield Finding(os.path.join(target.package, 'BUILD.bazel'), target.line, 'visibility',
                          f'{target.label} is public: name the folders that may use it')


def _matches(pattern, package):
    folder, _, kind = pattern[2:].partition(':')
    return package == folder or kind == '__subpackages__' and package.startswith(folder + '/' if folder else '')


def _users(targets):
    """label -> the packages that name it."""
    users = {}
    for target in targets:
        for label in target.labels:
            users.setdefault(label, set()).add(target.package)
    return users


def check_coarse_visibility(targets):
    """The product names packages of the product one by one, so that BUILD files state the rows of the table and nothing beyond them."""
    users, seen = _users(targets), set()
    for target in targets:
        if folder_of(target.label) not in PRODUCT or target.package.startswith(APART):
            continue
        for entry in target.visibility:
            place = (target.package, target.visibility_list or target.label, entry)
            if entry.endswith(':__subpackages__') and folder_of(entry) in PRODUCT and place not in seen:
                seen.add(place)
                alike = [t for t in targets if (t.package, t.visibility_list or t.label) == place[:2]]
                needed = sorted({user for t in alike for user in users.get(t.label, ()) if _matches(entry, user) and user != target.package})
                yield Finding(os.path.join(target.package, 'BUILD.bazel'), target.line, 'coarse-visibility',
                              f'{entry} ({target.visibility_list or target.label}): name the packages: {" ".join(needed)}')


def check_dead_visibility(targets):
    """Every entry of a visibility has a target that uses it: one of the target's own, or one of those that share a list."""
    users = _users(targets)
    lists = {}
    for target in targets:
        key = (target.package, target.visibility_list or target.label)
        line, entries, packages = lists.setdefault(key, (1 if target.visibility_list else target.line, set(), set()))
        entries.update(target.visibility)
        packages.update(users.get(target.label, set()) - {target.package})
    for (package, name), (line, entries, packages) in sorted(lists.items()):
        for entry in sorted(entries):
            if not entry.startswith('//visibility:') and not any(_matches(entry, user) for user in packages):
                yield Finding(os.path.join(package, 'BUILD.bazel'), line, 'dead-visibility', f'{entry} uses nothing of //{package} ({name})')


def check_dead_external(targets):
    """Every library that pure folders may use is used by one of them."""
    used = {}
    for target in targets:
        folder = folder_of(target.label)
        if folder in PRODUCT and folder != 'net' and not target.is_test_code and not is_command(target.package):
            used.setdefault(folder, set()).update(dep[1:].split('//', 1)[0] for dep in target.deps if dep.startswith('@'))
    pure = {name for folder, names in used.items() if folder not in ('env', 'lincheck') for name in names}
    for listed, names in ((PURE_EXTERNAL, pure), (ENV_EXTERNAL, used.get('env', set())), (LINCHECK_EXTERNAL, used.get('lincheck', set()))):
        for name in listed:
            if name not in names:
                yield Finding('tests/structure/arrows.py', 1, 'dead-external', f'no pure folder uses @{name}: take it out of the list')


def check_globs(path, text):
    for number, line in enumerate(text.split('\n'), 1):
        if re.search(r'\bglob\s*\(', line.split('#')[0]):
            yield Finding(path, number, 'glob', 'list the files: a glob hides what belongs to a target')


def check_files_have_targets(targets, files):
    """C++ files that no target builds, and files that a target names but that do not exist."""
    named = {}
    for target in targets:
        for source in target.srcs + target.hdrs:
            if not source.startswith(('//', '@')):
                named[os.path.join(target.package, source.removeprefix(':'))] = target
    for path in sorted(files):
        if path.endswith(('.h', '.cc', '.proto')) and not path.startswith('third_party/') and path not in named:
            yield Finding(path, 1, 'dead-file', 'no target of a BUILD.bazel names this file')
    for path, target in sorted(named.items()):
        if path.endswith(('.h', '.cc', '.proto', '.py')) and path not in files:
            yield Finding(os.path.join(target.package, 'BUILD.bazel'), target.line, 'dead-file', f'{path} does not exist')


def cycles_between_folders(targets):
    """Pairs of folders that depend on each other in code that is not a test."""
    edges = set()
    for target in targets:
        if target.is_test_code or folder_of(target.label) in FREE or is_command(target.package):
            continue
        for dep in target.deps:
            used = folder_of(dep)
            if used is not None and used != folder_of(target.label):
                edges.add((folder_of(target.label), used))
    return sorted((a, b) for a, b in edges if a < b and (b, a) in edges)


def all_build_files(root):
    return [p for p in tree.list_files(root) if os.path.basename(p) == 'BUILD.bazel' and not p.startswith('third_party/')]
