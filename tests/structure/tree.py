"""The repository as the structural tests see it: its root, its files and its Bazel targets.

The tests read the source tree itself, not a declared list of files, so that a new file cannot escape them; they are tagged
`external` for that reason (Bazel must not reuse an old verdict).
"""

import ast
import fnmatch
import os
from dataclasses import dataclass, field

SKIPPED_FOLDERS = {'.git', 'node_modules', '__pycache__'}


def find_root():
    """The source tree's root: the folder of the real WORKSPACE file behind the test's runfiles."""
    for candidate in ('WORKSPACE', os.path.join(os.path.dirname(__file__), '..', '..', 'WORKSPACE')):
        if os.path.exists(candidate):
            return os.path.dirname(os.path.realpath(candidate))
    raise RuntimeError('no WORKSPACE in the runfiles: add //:WORKSPACE to data')


def is_ignored(path, patterns):
    """Whether a .gitignore of `patterns` excludes `path` (a folder ends with /). Patterns name a root entry (/x) or a base name (x, x/)."""
    name = path.rstrip('/')
    for pattern in patterns:
        if pattern.endswith('/') and not path.endswith('/'):
            continue
        wanted = pattern.strip('/')
        if fnmatch.fnmatch(name if pattern.startswith('/') else os.path.basename(name), wanted) \
                and not (pattern.startswith('/') and '/' in name):
            return True
    return False


def list_files(root):
    """Every file that belongs to the repository, relative to its root, sorted."""
    ignore = os.path.join(root, '.gitignore')
    patterns = read(root, '.gitignore').split() if os.path.exists(ignore) else []
    found = []
    for folder, folders, files in os.walk(root):
        inner = os.path.relpath(folder, root)
        prefix = '' if inner == '.' else inner + '/'
        folders[:] = sorted(f for f in folders if f not in SKIPPED_FOLDERS and not is_ignored(f'{prefix}{f}/', patterns))
        for name in files:
            path = os.path.join(folder, name)
            if not os.path.islink(path) and not is_ignored(prefix + name, patterns):
                found.append(prefix + name)
    return sorted(found)


def read(root, path):
    with open(os.path.join(root, path), encoding='utf-8') as file:
        return file.read()


@dataclass
class Target:
    """One rule of a BUILD file; labels are absolute, external ones keep their repository (@com_google_absl//absl/types:span)."""
    kind: str
    label: str
    package: str
    line: int
    srcs: list = field(default_factory=list)
    hdrs: list = field(default_factory=list)
    deps: list = field(default_factory=list)
    tags: list = field(default_factory=list)
    visibility: list = None
    # Where `visibility` is written: '' in the target itself, else the name of the list that it shares with other targets.
    visibility_list: str = ''
    testonly: bool = False
    # Every label of this repository that the target names, in whatever argument.
    labels: list = field(default_factory=list)

    @property
    def is_test_code(self):
        return self.testonly or self.kind.endswith('_test')


def absolute_label(label, package):
    if label.startswith('@'):
        return label if '//' in label else f'{label}//:{label[1:]}'
    if label.startswith(':'):
        return f'//{package}{label}'
    if label.startswith('//'):
        if ':' in label:
            return label
        return f"{label}:{label.rsplit('/', 1)[-1]}"
    return f'//{package}:{label}'


def _strings(node):
    """Every string constant below `node`: exact for lists, a superset for select() and comprehensions."""
    return [n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)]


def parse_build(text, package):
    """The targets of one BUILD.bazel file. `deps` takes in every label that a build of the target follows."""
    targets = []
    default_visibility = None
    lists = {node.targets[0].id: _strings(node.value) for node in ast.parse(text).body
             if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)}
    for node in ast.walk(ast.parse(text)):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
            continue
        arguments = {k.arg: k.value for k in node.keywords}
        if node.func.id == 'package' and 'default_visibility' in arguments:
            default_visibility = _strings(arguments['default_visibility'])
        name = arguments.get('name')
        if not (isinstance(name, ast.Constant) and isinstance(name.value, str)):
            continue
        target = Target(node.func.id, f'//{package}:{name.value}', package, node.lineno)
        for key in ('srcs', 'hdrs', 'textual_hdrs'):
            values = _strings(arguments[key]) if key in arguments else []
            (target.srcs if key == 'srcs' else target.hdrs).extend(values)
        for key in ('deps', 'implementation_deps', 'actual'):
            if key in arguments:
                target.deps.extend(absolute_label(d, package) for d in _strings(arguments[key]))
        if 'tags' in arguments:
            target.tags = _strings(arguments['tags'])
        if 'visibility' in arguments:
            value = arguments['visibility']
            target.visibility_list = value.id if isinstance(value, ast.Name) else ''
            target.visibility = lists.get(target.visibility_list, []) if target.visibility_list else _strings(value)
        for key, value in arguments.items():
            if key not in ('name', 'visibility'):
                target.labels.extend(absolute_label(s, package) for s in _strings(value) if s.startswith(('//', ':')))
        testonly = arguments.get('testonly')
        target.testonly = isinstance(testonly, ast.Constant) and bool(testonly.value)
        targets.append(target)
    for target in targets:
        if target.visibility is None:
            target.visibility = default_visibility or ['//visibility:private']
            target.visibility_list = 'default_visibility'
    return targets


def load_targets(root):
    """All targets of the repository's own BUILD.bazel files; third_party describes other people's libraries."""
    targets = []
    for path in list_files(root):
        folder, name = os.path.split(path)
        if name == 'BUILD.bazel' and not folder.startswith('third_party'):
            targets.extend(parse_build(read(root, path), folder))
    return targets
