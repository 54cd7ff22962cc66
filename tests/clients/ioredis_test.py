"""ioredis, fetched with npm, against a quickstart cluster. Needs a network: run it by name."""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import quickstart_cluster  # noqa: E402

VERSION = '5'


class IoredisTest(unittest.TestCase):

    def test_Ioredis_PlainAndCluster_WorkAsWithRedis(self):
        self.assertIsNotNone(shutil.which('npm'), 'npm is needed: apt-get install npm')
        folder = tempfile.mkdtemp(dir=os.environ.get('TEST_TMPDIR'))
        script = os.path.join(folder, 'client.js')
        shutil.copy(os.path.join(os.path.dirname(os.path.realpath(__file__)), 'ioredis_client.js'), script)
        subprocess.run(['npm', 'install', '--prefix', folder, '--no-audit', '--no-fund', f'ioredis@{VERSION}'], check=True,
                       env={**os.environ, 'HOME': os.environ.get('HOME', folder), 'npm_config_cache': os.path.join(folder, 'cache')})
        cluster = quickstart_cluster.QuickstartCluster().started()
        done = subprocess.run(['node', script, str(cluster.port), str(cluster.count)], capture_output=True, text=True, timeout=120,
                              check=False)
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        self.assertEqual(0, cluster.stop())


if __name__ == '__main__':
    unittest.main()
