"""Patterns that pure code must not contain: the rules of determinism.

Pure is every library outside net/, bench/, sim/tools/ and cmd/ folders; tests may do as they like. The object files are held against an
allowlist besides (purity_test); this lint gives the clearer message, at the line, and sees what leaves no symbol behind.
"""

import re
from dataclasses import dataclass

import cpp_text


@dataclass(frozen=True)
class Finding:
    path: str
    line: int
    rule: str
    message: str

    def __str__(self):
        return f'{self.path}:{self.line}: [{self.rule}] {self.message}'


@dataclass(frozen=True)
class Ban:
    rule: str
    pattern: str
    message: str
    # Folders in which it holds; None: in all pure code.
    folders: tuple = None


PROTOCOL_FOLDERS = ('env', 'raft', 'shardctrl', 'kv', 'node')

BANS = (
    Ban('thread',
        r'\bstd::(?:j?thread|(?:shared_|recursive_|timed_)*mutex|condition_variable\w*|async|future|promise|packaged_task|barrier|'
        r'latch|\w*_semaphore|this_thread|call_once|once_flag|lock_guard|unique_lock|scoped_lock|shared_lock)\b|\babsl::Mutex\w*|'
        r'#include\s*[<"](?:thread|mutex|shared_mutex|condition_variable|future|barrier|latch|semaphore|stop_token|pthread\.h|'
        r'absl/synchronization/[^>"]*)[>"]|\bpthread_\w+',
        'pure code has one thread and no locks; a function that must wait takes a callback'),
    Ban('atomic', r'\bstd::atomic\w*|#include\s*<atomic>', "only one loop's thread ever touches an object; a plain field will do"),
    Ban('clock',
        r'\babsl::(?:Now|GetCurrentTimeNanos|Clock|SleepFor)\b|\bstd::chrono\b|#include\s*[<"](?:chrono|ctime|time\.h|sys/time\.h|'
        r'absl/time/(?!civil_time\.h)[^>"]*)[>"]|\b(?:clock_gettime|gettimeofday|nanosleep|usleep|std::time)\s*\(|\b__rdtsc\b',
        'time comes from env::Loop::ReadClock as a Now'),
    Ban('random',
        r'\bstd::(?:random_device|mt19937\w*|minstd_rand\w*|default_random_engine|\w+_distribution|shuffle|random_shuffle|sample)\b|'
        r'\babsl::(?:\w*BitGen\w*|Uniform|Bernoulli)\b|#include\s*[<"](?:random|absl/random/[^>"]*)[>"]|'
        r'(?<![\w.>:])(?:std::)?(?:rand|srand|drand48|getrandom|arc4random\w*)\s*\(',
        'randomness is keyed: env::Random, with a site, an entity and its counter'),
    Ban('outside',
        r'\b(?:secure_)?getenv\b|\bsetenv\b|(?<![\w.>:])(?:system|popen|fork|execve?)\s*\(|#include\s*<(?:unistd\.h|fcntl\.h|'
        r'sys/(?!types)[^>]*|netinet/[^>]*|arpa/[^>]*|netdb\.h|poll\.h|signal\.h|csignal|dirent\.h|dlfcn\.h|liburing\.h|boost/asio[^>]*|'
        r'boost/beast/(?!http/(?:basic_parser|rfc7230)\.hpp>)[^>]*|openssl/[^>]*)>',
        'environment variables, processes and sockets are reached through env/ only'),
    Ban('file',
        r'\bstd::(?:[io]?fstream|filesystem|fopen|freopen|tmpfile)\b|#include\s*<(?:fstream|filesystem)>|(?<![\w.>:])fopen\s*\(',
        'files are reached through env::Disk, or their text is passed in by main()'),
    Ban('console', r'#include\s*<iostream>|\bstd::(?:cout|cerr|clog|f?printf|puts)\b|(?<![\w.>:])f?printf\s*\(',
        'return text and let the main print it; events go to env::Tracer'),
    Ban('static', r'\bthread_local\b|^\s*static\s+(?!const\b|constexpr\b|constinit\s+const\b|_?[sS]tatic_assert|inline\s+constexpr\b)'
        r'[^(){};]*[;={]', 'no mutable static state: dependencies come in by constructor'),
    Ban('hash', r'\bstd::hash\b|\babsl::(?:Hash\b|HashOf\b)',
        'these hashes differ from process to process; use a keyed or CRC hash, or AbslHashValue for a container',
        PROTOCOL_FOLDERS + ('sim',)),
    Ban('unordered', r'\bstd::unordered_\w+|#include\s*<unordered_(?:map|set)>',
        'use absl::flat_hash_* if no code iterates over it, otherwise absl::btree_* or a sorted vector',
        PROTOCOL_FOLDERS + ('sim',)),
    Ban('pointer', r'\b(?:map|set|flat_hash_map|flat_hash_set|btree_map|btree_set)<\s*(?:const\s+)?[\w:]+(?:\s+const)?\s*\*|'
        r'\bu?intptr_t\b', 'addresses differ from run to run: no pointer as a key or in output'),
    Ban('sort', r'\bstd::sort\s*\((?:[^,;()]|\([^()]*\))*,(?:[^,;()]|\([^()]*\))*,(?!\s*std::(?:greater|less)\b)|\babsl::c_sort\s*\((?:[^,;()]|\([^()]*\))*,|'
        r'\bstd::(?:nth_element|partial_sort)\s*\((?:[^,;()]|\([^()]*\))*,(?:[^,;()]|\([^()]*\))*,(?:[^,;()]|\([^()]*\))*,',
        'with a comparator of its own, ties may come out in any order: std::stable_sort', PROTOCOL_FOLDERS + ('sim',)),
    Ban('float', r'\b(?:double|float)\b', 'no floating point decides anything: integers and ratios of integers',
        PROTOCOL_FOLDERS + ('sim',)),
    Ban('throw', r'\bthrow\b|\bdynamic_cast\b|\btypeid\b', 'our code throws nothing and uses no runtime type information'),
    Ban('coroutine', r'\bco_(?:await|yield|return)\b', 'no coroutines in protocol code: env/task is for programs of users',
        ('raft', 'shardctrl', 'kv', 'node')),
    Ban('assert', r'(?<!\w)assert\s*\(|#include\s*<(?:cassert|assert\.h)>', 'CHECK stays on in release builds; assert does not'),
)

# rule -> {path: reason}. A path that no longer needs its exception is an error too.
EXCEPTIONS = {
    'console': {
        'env/program/program.cc': 'the frame of main functions prints the version, and notices output that was lost',
        'env/check.cc': 'a failed CHECK prints its message where no handler is set, then aborts',
        'lincheck/value.cc': 'an integer that a Value cannot hold ends the process with a message; lincheck knows no CHECK',
    },
    'outside': {
        'env/program/program.cc': 'the frame of main functions opens the descriptors that its caller closed',
    },
    'pointer': {
        'kv/store/record_pool.cc': 'the address of a block tells its slab; it orders nothing and is written nowhere',
        'kv/store/table.cc': 'a page stores an address and a part of a hash in one word; the address orders nothing',
    },
}

_COMPILED = [(ban, re.compile(ban.pattern, re.MULTILINE)) for ban in BANS]
_HASH_MEMBER = re.compile(r'\b(?:flat|node)_hash_(?:map|set)<[^;{}()]*>\s+(\w+)\s*(?:;|=|\{|ABSL)')


def check_bans(path, text):
    """Findings in one pure source file, exceptions not yet taken away."""
    code = cpp_text.code_only(text)
    folder = path.split('/', 1)[0]
    for ban, pattern in _COMPILED:
        if ban.folders is not None and folder not in ban.folders:
            continue
        for match in pattern.finditer(code):
            start = match.start() + len(match.group(0)) - len(match.group(0).lstrip())
            yield Finding(path, cpp_text.line_of(code, start), ban.rule, f'`{" ".join(match.group(0).split())}`: {ban.message}')


def check_hash_iteration(sources):
    """Loops over absl::flat_hash_* containers, in files of one package: {path: text}."""
    codes = {path: cpp_text.code_only(text) for path, text in sources.items()}
    members = {name for code in codes.values() for name in _HASH_MEMBER.findall(code)}
    for path, code in sorted(codes.items()):
        for name in sorted(members):
            loop = re.compile(r'for\s*\([^;()]*:\s*(?:[\w>.\-]*(?:->|\.))?' + name + r'\s*\)|\b' + name + r'\s*(?:\.|->)\s*begin\s*\(')
            for match in loop.finditer(code):
                yield Finding(path, cpp_text.line_of(code, match.start()), 'iteration',
                              f'iterates over `{name}`, an absl hash container, whose order differs from process to process')


def check_proto(path, text):
    for number, line in enumerate(text.split('\n'), 1):
        if re.search(r'\bmap\s*<', line.split('//')[0]):
            yield Finding(path, number, 'proto-map', 'map<> has no order on the wire: use a repeated message, sorted')


def apply_exceptions(findings, exceptions):
    """Takes away what is excepted; exceptions that cover nothing become findings."""
    used, left = set(), []
    for finding in findings:
        if finding.path in exceptions.get(finding.rule, {}):
            used.add((finding.rule, finding.path))
        else:
            left.append(finding)
    for rule, paths in exceptions.items():
        for path in paths:
            if (rule, path) not in used:
                left.append(Finding(path, 1, rule, 'this exception covers nothing any more: remove it'))
    return left
