"""A store without traffic releases the memory of expired keys."""

import os
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import quickstart_cluster  # noqa: E402

quickstart_cluster.with_debian_python()

import case_report  # noqa: E402

KEYS = 200_000
VALUE = 'e' * 500
KEYS_THAT_STAY = 100
LIVES_SECONDS = 25
IDLE_SECONDS_MAX = 60 + LIVES_SECONDS
# On each node keys and values take 100 MB, and log entries in memory another 100 MB.
NODE_RSS_MAX = 400 << 20
GIVEN_BACK_MIN = 60 << 20


class IdleExpiryTest(unittest.TestCase):

    def test_IdleStore_WhoseKeysExpire_ReleasesTheirMemory(self):
        store = quickstart_cluster.QuickstartCluster().started()
        self.addCleanup(store.stop)
        client = store.client()
        for first in range(0, KEYS, 10_000):
            with client.pipeline(transaction=False) as pipeline:
                for i in range(first, first + 10_000):
                    pipeline.set(f'expiring:{i}', VALUE, ex=LIVES_SECONDS)
                pipeline.execute()
        for i in range(KEYS_THAT_STAY):
            client.set(f'staying:{i}', VALUE)
        full = store.rss_bytes()
        client.close()

        # The test sends no request meanwhile: expiry must work without traffic.
        limit = time.monotonic() + IDLE_SECONDS_MAX
        store.check_gives_memory_back(self, full, GIVEN_BACK_MIN, limit)
        while store.client().dbsize() != KEYS_THAT_STAY:
            self.assertLess(time.monotonic(), limit, f'{store.client().dbsize()} keys are left')
            time.sleep(0.5)
        store.check_peak_rss(self, NODE_RSS_MAX)


if __name__ == '__main__':
    case_report.main()
