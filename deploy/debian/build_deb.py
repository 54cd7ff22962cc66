"""Builds the Debian package: programs, unit, manual pages and examples.

  build_deb.py --out PACKAGE --version-header HEADER --quorated FILE --quoratectl FILE --file SOURCE=TARGET…

The package depends on the packages that have the shared libraries of the programs on this machine, in their versions or later.
"""

import argparse
import gzip
import os
import re
import shutil
import stat
import subprocess
import tempfile

MAINTAINER = 'The Quorate authors <quorate@localhost.invalid>'
DESCRIPTION = '''replicated, sharded key-value store with Redis protocol and HTTP
 A node of a linearizable key-value store. Each group of slots is replicated
 by Raft, and every node answers plain Redis clients, Redis Cluster clients
 and HTTP. The package has a unit for systemd, which reads
 /etc/quorate/node.toml, and quoratectl for operators.'''
# A fixed date: equal sources make equal packages.
DATE = 'Tue, 01 Dec 2026 00:00:00 +0000'


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def libraries_of(program):
    """The paths of the shared libraries that the program loads."""
    found = re.findall(r'=> (/\S+)', run('ldd', program))
    return sorted(set(found))


def package_of(library):
    """The package that has the library, and its version."""
    for path in (library, os.path.realpath(library), library.removeprefix('/usr')):
        found = subprocess.run(('dpkg-query', '--search', path), capture_output=True, text=True)
        if found.returncode == 0:
            package = found.stdout.split(':')[0]
            # Without the revision of Debian, which security updates raise.
            version = run('dpkg-query', '--show', '--showformat=${Version}\n', package).splitlines()[0].rsplit('-', 1)[0]
            return package, version
    raise SystemExit(f'build_deb: no Debian package has {library}')


def depends_on(programs):
    packages = dict(package_of(library) for program in programs for library in libraries_of(program))
    return ', '.join(['adduser'] + [f'{package} (>= {version})' for package, version in sorted(packages.items())])


def install(source, root, target, mode):
    path = os.path.join(root, target.lstrip('/'))
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if path.endswith('.gz'):
        with open(source, 'rb') as file, open(path, 'wb') as out, gzip.GzipFile('', 'wb', 9, out, mtime=0) as packed:
            shutil.copyfileobj(file, packed)
    else:
        shutil.copyfile(source, path)
    os.chmod(path, mode)


def write(root, target, text, mode=0o644):
    with tempfile.NamedTemporaryFile('w', encoding='utf-8') as file:
        file.write(text)
        file.flush()
        install(file.name, root, target, mode)


def fill(root, args, version):
    for program in (args.quorated, args.quoratectl):
        target = os.path.join('/usr/bin', os.path.basename(program))
        install(program, root, target, 0o755)
        run('strip', '--strip-unneeded', '--remove-section=.comment', '--remove-section=.note', os.path.join(root, target.lstrip('/')))
    for entry in args.file:
        source, target = entry.split('=')
        install(source, root, target, 0o755 if target.startswith('/DEBIAN/') else 0o644)
    # For the configuration that an operator writes.
    os.makedirs(os.path.join(root, 'etc/quorate'))
    write(root, '/usr/share/doc/quorate/changelog.gz', f'quorate ({version}) unstable; urgency=medium\n\n  * See CHANGELOG.md.\n\n -- {MAINTAINER}  {DATE}\n')


def control(root, version, depends):
    size = sum(os.lstat(os.path.join(at, name)).st_size for at, _, names in os.walk(root) for name in names)
    return (f'Package: quorate\nVersion: {version}\nSection: database\nPriority: optional\nArchitecture: {run("dpkg", "--print-architecture").strip()}\n'
            f'Maintainer: {MAINTAINER}\nInstalled-Size: {size // 1024 + 1}\nDepends: {depends}\nDescription: {DESCRIPTION}\n')


def main():
    parser = argparse.ArgumentParser()
    for name in ('out', 'version-header', 'quorated', 'quoratectl'):
        parser.add_argument(f'--{name}', required=True)
    parser.add_argument('--file', action='append', default=[], help='SOURCE=TARGET')
    args = parser.parse_args()
    with open(args.version_header, encoding='utf-8') as file:
        version = re.search(r'"(\d+\.\d+\.\d+)"', file.read())[1]
    with tempfile.TemporaryDirectory() as root:
        os.chmod(root, 0o755)
        fill(root, args, version)
        write(root, '/DEBIAN/control', control(root, version, depends_on((args.quorated, args.quoratectl))))
        sums = ''
        for at, folders, names in sorted(os.walk(root)):
            os.chmod(at, stat.S_IRWXU | stat.S_IRGRP | stat.S_IXGRP | stat.S_IROTH | stat.S_IXOTH)
            folders.sort()
            inside = os.path.relpath(at, root)
            if not inside.startswith('DEBIAN'):
                sums += ''.join(run('md5sum', os.path.join(at, name)).replace(root + '/', '') for name in sorted(names))
        write(root, '/DEBIAN/md5sums', sums)
        run('dpkg-deb', '--root-owner-group', '-Zxz', '--build', root, args.out)


if __name__ == '__main__':
    main()
