"""Values on which replicas must agree come from the stored bootstrap record, never from the configuration file."""

import re

import cpp_text
from bans import Finding

# The libraries of a replica. None of them may depend on the configuration, directly or indirectly.
REPLICATED = ('//kv/store:store', '//raft/host:host', '//raft/core:core')
CONFIGURATION = '//node/config:config'

_MADE = re.compile(r'\bStoreOptions\b(?!Of)|\braft::Configuration\s+\w+\s*[;{=(]')


def reached(targets, label):
    """`label` and everything that it depends on."""
    by_label = {target.label: target for target in targets}
    seen, left = set(), [label]
    while left:
        at = left.pop()
        if at in seen:
            continue
        seen.add(at)
        if at in by_label:
            left.extend(by_label[at].deps)
    return seen


def check_dependencies(targets):
    """Nothing replicated depends on the configuration."""
    known = {target.label for target in targets}
    for label in REPLICATED:
        if label not in known:
            yield Finding(label, 1, 'replicated', 'there is no such target: correct the list in replicated.py')
        elif CONFIGURATION in reached(targets, label):
            yield Finding(label, 1, 'replicated', f'depends on {CONFIGURATION}: replicas that read different files would differ')


def check_makers(path, text):
    """Nothing in node/ and net/ composes entry 1 of a group or the initial state of a replica."""
    if not path.startswith(('node/', 'net/')) or not path.endswith(('.h', '.cc')):
        return
    code = cpp_text.code_only(text)
    for match in _MADE.finditer(code):
        yield Finding(path, code.count('\n', 0, match.start()) + 1, 'replicated',
                      'takes what replicas agree on from elsewhere than the bootstrap record; see raft/host/bootstrap_record.h')
