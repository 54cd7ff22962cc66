"""Runs a copy of Redis' own test suite against a quickstart cluster and prints passed, failed and not applicable tests by unit.

    ./bazelw run //tests/clients:redis_suite -- --redis-source DIR [--units unit/type/string,unit/expire] [--unit-seconds 300]

DIR is the source tree of Redis 7.0, which is not part of this one; tclsh (Debian's package tcl) runs its tests. The suite knows this
mode as external: it connects to a server that runs already, here at the address for plain clients. Units of integration/ start and
stop servers of Redis' own and are left out. redis_suite_report.py says when a test is not applicable.

Exit status: 0 if every unit ended and no test failed, 1 otherwise, 2 if the suite could not be run.
"""

import argparse
import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

FOLDER = os.path.dirname(os.path.realpath(__file__))
# `bazel run` sets no TEST_SRCDIR. Its value is the folder in which this file is quorate/tests/clients/redis_suite.py.
os.environ.setdefault('TEST_SRCDIR', os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', '..')))
sys.path.insert(0, FOLDER)
import quickstart_cluster  # noqa: E402
import redis_suite_report  # noqa: E402

# Calls of the suite, and the functions of redis_suite_hooks.tcl that replace them at the beginning of a block of tests in external mode.
REPLACED = {'r function flush': 'begin_block', 'r config set $param $val': 'change_setting $param $val'}


def copy_suite(source, folder):
    """Copies the suite's tests, adds redis_suite_hooks.tcl, and returns the folder to run in."""
    shutil.copytree(os.path.join(source, 'tests'), os.path.join(folder, 'tests'))
    os.makedirs(os.path.join(folder, 'tests', 'tmp'), exist_ok=True)
    support = pathlib.Path(folder, 'tests', 'support')
    with open(support / 'util.tcl', 'a', encoding='utf-8') as util:
        util.write(pathlib.Path(FOLDER, 'redis_suite_hooks.tcl').read_text(encoding='utf-8'))
    server = (support / 'server.tcl').read_text(encoding='utf-8')
    for theirs, ours in REPLACED.items():
        server = server.replace(theirs, ours)
    (support / 'server.tcl').write_text(server, encoding='utf-8')
    return folder


def run_tcl(folder, words, seconds):
    """Returns (output of the suite, reason why it was stopped or '')."""
    process = subprocess.Popen(['tclsh', 'tests/test_helper.tcl', *words], cwd=folder, env={**os.environ, 'TERM': 'dumb'},
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
                               preexec_fn=quickstart_cluster.die_with_parent)
    stopped = ''
    try:
        output = process.communicate(timeout=seconds)[0]
    except subprocess.TimeoutExpired:
        stopped = f'not done within {seconds} s'
    finally:
        # The suite runs the tests in a process of its own, of the same group.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    if stopped:
        output = process.communicate()[0]
    return output.decode('utf-8', 'replace'), stopped


def run_unit(folder, port, unit, seconds, commands):
    output, stopped = run_tcl(folder, ['--host', '127.0.0.1', '--port', str(port), '--singledb', '--durable', '--ignore-digest',
                                       '--timeout', str(seconds), '--tags', redis_suite_report.denied_tags(commands),
                                       '--single', unit], seconds + 10)
    return redis_suite_report.make_report(unit, output, commands, stopped), output


def commands_of(client):
    """Returns the commands that the store lists, in lower case."""
    client.set_response_callback('COMMAND', lambda names, **_: {name.lower() for name in names})
    return client.execute_command('COMMAND', 'LIST')


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__.split('\n', maxsplit=1)[0])
    parser.add_argument('--redis-source', required=True, metavar='DIR', help='the source tree of Redis 7.0')
    parser.add_argument('--units', metavar='A,B', help='the units to run, such as unit/expire; default: all but those of integration/')
    parser.add_argument('--unit-seconds', type=int, default=300, metavar='N', help='a unit that takes longer is stopped (default: 300)')
    parser.add_argument('--output', metavar='FILE', help="where to write the suite's own output")
    options = parser.parse_args(arguments)
    where = os.environ.get('BUILD_WORKING_DIRECTORY', os.getcwd())
    options.redis_source = os.path.join(where, options.redis_source)
    options.output = options.output and os.path.join(where, options.output)
    if not os.path.exists(os.path.join(options.redis_source, 'tests', 'test_helper.tcl')):
        parser.error(f'{options.redis_source} has no tests/test_helper.tcl: it is no source tree of Redis')
    if shutil.which('tclsh') is None:
        parser.error('tclsh is needed: apt-get install tcl')
    return options


def main(arguments):
    options = parse(arguments)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(2))
    reports = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = copy_suite(options.redis_source, os.path.join(scratch, 'suite'))
        listed = run_tcl(folder, ['--list-tests'], 30)[0].split()
        units = options.units.split(',') if options.units else [unit for unit in listed if not unit.startswith('integration/')]
        cluster = quickstart_cluster.QuickstartCluster(os.path.join(scratch, 'store')).started()
        try:
            cluster.wait_until_leaders_stay()
            commands = commands_of(cluster.client())
            for unit in units:
                report, output = run_unit(folder, cluster.plain_ports()[0], unit, options.unit_seconds, commands)
                reports.append(report)
                print(f'{unit}: {len(report.passed)} passed, {len(report.failed)} failed', flush=True)
                if options.output:
                    with open(options.output, 'a', encoding='utf-8') as file:
                        file.write(output)
        finally:
            cluster.stop()
    print('\n' + redis_suite_report.format_reports(reports))
    return 1 if any(report.failed or report.broken for report in reports) else 0


if __name__ == '__main__':
    quickstart_cluster.with_debian_python()
    sys.exit(main(sys.argv[1:]))
