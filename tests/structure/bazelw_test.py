"""./bazelw chooses the right Bazel and installs, or names the missing packages; tested with fake commands."""

import os
import shutil
import subprocess
import tempfile
import unittest

FAKES = {
    # Everything but the packages in $MISSING is installed, and apt-get installs them.
    'dpkg-query': '''
for p in "$@"; do case $p in -*|*Status*) continue ;; esac
  if grep -qx "$p" "$STATE/missing"; then status=1; else printf 'ii %s\\n' "$p"; fi
done; exit ${status:-0}''',
    'apt-get': '''
echo "apt-get $*" >>"$STATE/calls"
case " $* " in *" install "*) [ -e "$STATE/apt-fails" ] && exit 100; : >"$STATE/missing" ;; esac''',
    'id': 'if [ "$1" = -u ]; then cat "$STATE/uid"; else /usr/bin/id "$@"; fi',
    'sudo': '''
echo "sudo $*" >>"$STATE/calls"
[ "$1" = -n ] && shift; [ -e "$STATE/sudo-asks" ] && exit 1; exec "$@"''',
}
OWN_BAZEL = '''
if [ "$1" = --version ]; then echo "bazel {version}"; exit; fi
echo "{name} $*" >>"$STATE/calls"'''


class BazelwTest(unittest.TestCase):

    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        self.repo = os.path.join(self.folder, 'repo')
        self.bin = os.path.join(self.folder, 'bin')
        self.state = os.path.join(self.folder, 'state')
        for folder in (self.repo, self.bin, self.state, self.repo + '/third_party'):
            os.makedirs(folder)
        shutil.copy('bazelw', self.repo)
        self.write(self.repo + '/third_party/packages.txt', '# A comment.\nbazel-bootstrap\nlibabsl-dev\n')
        self.write(self.repo + '/third_party/packages-bench.txt', 'etcd-server\n')
        self.set('missing', '')
        self.set('uid', '0\n')
        for name, body in FAKES.items():
            self.fake(name, body)
        self.own_bazel('bazel', '6.5.0')

    def write(self, path, text):
        with open(path, 'w', encoding='utf-8') as file:
            file.write(text)

    def set(self, name, text):
        self.write(os.path.join(self.state, name), text)

    def fake(self, name, body):
        path = os.path.join(self.bin, name)
        self.write(path, '#!/bin/bash\n' + body + '\n')
        os.chmod(path, 0o755)

    def own_bazel(self, name, version):
        self.fake(name, OWN_BAZEL.format(name=name, version=version))

    def run_it(self, *arguments):
        environment = {'PATH': self.bin + ':/usr/bin:/bin', 'STATE': self.state, 'HOME': self.folder}
        run = subprocess.run(['bash', self.repo + '/bazelw', *arguments], env=environment, cwd=self.repo, stdin=subprocess.DEVNULL,
                             capture_output=True, text=True, check=False)
        calls = []
        if os.path.exists(self.state + '/calls'):
            with open(self.state + '/calls', encoding='utf-8') as file:
                calls = file.read().splitlines()
        return run, calls

    def test_Everything_Installed_RunsBazelWithTheArgumentsAndNoApt(self):
        run, calls = self.run_it('test', '--a b', '//...')
        self.assertEqual((0, ['bazel test --a b //...']), (run.returncode, calls), run.stderr)

    def test_FirstBuild_SaysThatItTakesMinutes(self):
        run, _ = self.run_it('run', '//:quickstart')
        self.assertIn('takes minutes', run.stderr)
        run, _ = self.run_it('info')
        self.assertEqual('', run.stderr)
        os.makedirs(self.repo + '/bazel-out')
        run, _ = self.run_it('run', '//:quickstart')
        self.assertEqual('', run.stderr)

    def test_OwnBazel_OfEachVersion_GetsWhatItKnows(self):
        for version, options in (('5.4.1', ''), ('6.5.0', ''), ('7.0.2', ''), ('7.6.1', '--bazelrc='), ('8.1.0', '--bazelrc=')):
            with self.subTest(version):
                self.set('calls', '')
                self.own_bazel('bazel', version)
                _, calls = self.run_it('info')
                self.assertTrue(calls[0].startswith('bazel ' + options), calls)
                self.assertEqual(options != '', 'bazel7.bazelrc info' in calls[0])

    def test_Bazelisk_ThatIsThere_IsPreferred(self):
        self.own_bazel('bazelisk', '7.6.1')
        _, calls = self.run_it('info')
        self.assertTrue(calls[0].startswith('bazelisk '), calls)

    def test_MissingPackage_AsRoot_IsInstalledOnce(self):
        self.set('missing', 'libabsl-dev\n')
        run, calls = self.run_it('info')
        self.assertEqual(0, run.returncode, run.stderr)
        self.assertEqual(3, len(calls), calls)
        self.assertIn('update', calls[0])
        self.assertTrue(calls[1].endswith('install -y --no-install-recommends libabsl-dev'), calls[1])
        self.assertEqual('bazel info', calls[2])

    def test_OwnBazel_NeedsNoBazelPackage(self):
        self.set('missing', 'bazel-bootstrap\n')
        _, calls = self.run_it('info')
        self.assertEqual(['bazel info'], calls)

    def test_BenchPackages_AreAskedForByBenchTargetsOnly(self):
        self.set('missing', 'etcd-server\n')
        _, calls = self.run_it('test', '//...')
        self.assertEqual(['bazel test //...'], calls)
        _, calls = self.run_it('run', '-c', 'opt', '//bench:compare')
        self.assertTrue(any('install' in call and 'etcd-server' in call for call in calls), calls)

    def test_MissingPackage_WithSudo_IsInstalledThroughIt(self):
        self.set('uid', '1000\n')
        self.set('missing', 'libabsl-dev\n')
        run, calls = self.run_it('info')
        self.assertEqual(0, run.returncode, run.stderr)
        self.assertTrue(any(call.startswith('sudo -n env') and 'install' in call for call in calls), calls)

    def test_MissingPackage_WithoutRights_PrintsTheCommandAndStops(self):
        self.set('uid', '1000\n')
        self.set('sudo-asks', '')
        self.set('missing', 'libabsl-dev\n')
        run, calls = self.run_it('info')
        self.assertEqual(1, run.returncode)
        self.assertIn('apt-get update && apt-get install -y --no-install-recommends libabsl-dev', run.stderr)
        self.assertFalse([c for c in calls if c.startswith(('apt-get', 'bazel'))], calls)

    def test_FailingApt_IsToldWithTheCommand(self):
        self.set('apt-fails', '')
        self.set('missing', 'libabsl-dev\n')
        run, calls = self.run_it('info')
        self.assertEqual(1, run.returncode)
        self.assertIn('apt-get install -y --no-install-recommends libabsl-dev', run.stderr)
        self.assertFalse([c for c in calls if c.startswith('bazel')], calls)


if __name__ == '__main__':
    unittest.main()
