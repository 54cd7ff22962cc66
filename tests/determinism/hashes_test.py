"""A seed has one hash. It does not depend on earlier runs in the process, on addresses, or on the contents of fresh memory."""

import os
import subprocess
import unittest

HASHES = os.path.join(os.environ['TEST_SRCDIR'], os.environ['TEST_WORKSPACE'],
                      'tests/determinism/hashes')


def run(seeds, environment=None, prefix=()):
    """The lines that `hashes` prints for `seeds`, in order."""
    result = subprocess.run([*prefix, HASHES, *map(str, seeds)],
                            env={**os.environ, **(environment or {})},
                            stdout=subprocess.PIPE,
                            check=True,
                            text=True)
    return result.stdout.splitlines()


class HashesTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        # Runs two seeds twice in one process, in different order.
        cls.first, cls.second, *cls.again = run([1, 2, 2, 1])

    def test_another_order_in_one_process(self):
        self.assertEqual(self.again, [self.second, self.first])

    def test_two_seeds_differ(self):
        self.assertNotEqual(self.first.split()[1], self.second.split()[1])

    def test_a_process_of_its_own(self):
        self.assertEqual(run([2]), [self.second])

    def test_fresh_memory_holds_other_bytes(self):
        for perturb in ('85', '170'):
            with self.subTest(MALLOC_PERTURB_=perturb):
                self.assertEqual(run([1, 2], {'MALLOC_PERTURB_': perturb}),
                                 [self.first, self.second])

    def test_addresses_are_not_random(self):
        fixed = ['setarch', '-R']
        # A container may forbid this call.
        if subprocess.run(fixed + ['true'], check=False).returncode != 0:
            self.skipTest('setarch -R is not permitted here')
        self.assertEqual(run([1, 2], prefix=fixed), [self.first, self.second])


if __name__ == '__main__':
    unittest.main()
