"""FLUSHALL gives the memory of the removed keys back to the operating system, without later traffic."""

import os
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import quickstart_cluster  # noqa: E402

quickstart_cluster.with_debian_python()

import case_report  # noqa: E402

KEYS = 400_000
PIPELINE = 10_000
VALUE = 'f' * 100
# Entries of the log stay in memory. The keys take about 400,000 times 150 bytes on each node, which is 57 MiB.
GIVEN_BACK_MIN = 45 << 20
IDLE_SECONDS_MAX = 60


class FlushAllMemoryTest(unittest.TestCase):

    def test_FlushAll_OfAnIdleStore_ReleasesTheMemoryOfItsKeys(self):
        store = quickstart_cluster.QuickstartCluster().started()
        self.addCleanup(store.stop)
        client = store.client()
        for first in range(0, KEYS, PIPELINE):
            with client.pipeline(transaction=False) as pipeline:
                for i in range(first, first + PIPELINE):
                    pipeline.set(f'key:{i:012}', VALUE)
                pipeline.execute()
        full = store.rss_bytes()
        client.flushall()
        client.close()

        store.check_gives_memory_back(self, full, GIVEN_BACK_MIN, time.monotonic() + IDLE_SECONDS_MAX)
        self.assertEqual(0, store.client().dbsize())


if __name__ == '__main__':
    case_report.main()
