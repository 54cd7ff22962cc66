"""Measures how much memory a node needs for each key.

  ./bazelw run //bench:memory_per_key -- [KEYS [VALUE_BYTES ...]]

Starts one quorated with one group for each value size and sets KEYS keys of 16 bytes (500,000 by default). Waits until the
allocator has returned the memory that it does not need, and prints a table. Snapshots are taken often and leave no entries behind, so
that entries of the log hardly count.
"""

import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

PROGRAM = 'net/cmd/quorated'
SETTLE_SECONDS = 15
PIPELINE = 1000
CONFIG = """
[cluster]
id = 1
[node]
id = 1
data_dir = "{directory}/data"
[listen]
resp = "127.0.0.1:0"
resp_cluster = "127.0.0.1:0"
http = "127.0.0.1:0"
peer = "127.0.0.1:0"
[sharding]
groups = 1
[snapshot]
threshold_bytes = 1048576
[[nodes]]
id = 1
resp = "127.0.0.1:1"
resp_cluster = "127.0.0.1:2"
http = "127.0.0.1:3"
peer = "127.0.0.1:4"
"""


def set_keys(address, keys, value_bytes):
    """Sets keys in batches and reads every reply."""
    value = b'x' * value_bytes
    with socket.create_connection(address) as connection:
        replies = connection.makefile('rb')
        for first in range(0, keys, PIPELINE):
            batch = range(first, min(first + PIPELINE, keys))
            requests = (b'*3\r\n$3\r\nSET\r\n$16\r\nkey:%012d\r\n$%d\r\n%s\r\n' % (i, value_bytes, value) for i in batch)
            connection.sendall(b''.join(requests))
            for i in batch:
                reply = replies.readline()
                if reply != b'+OK\r\n':
                    sys.exit(f'SET of key {i} was answered {reply!r}')


def resident_bytes(process):
    with open(f'/proc/{process.pid}/status', encoding='ascii') as status:
        return int(re.search(r'VmRSS:\s+(\d+) kB', status.read()).group(1)) * 1024


def metric(http, name):
    with urllib.request.urlopen(f'http://{http}/metrics') as page:
        return float(re.search(rf'^{name}(?:{{.*}})? (\S+)$', page.read().decode(), re.MULTILINE).group(1))


def measure(keys, value_bytes):
    """Bytes for each key: of the process, and as the node itself counts them."""
    with tempfile.TemporaryDirectory() as directory:
        config = os.path.join(directory, 'node.toml')
        with open(config, 'w', encoding='utf-8') as file:
            file.write(CONFIG.format(directory=directory))
        node = subprocess.Popen([PROGRAM, '--config', config, '--bootstrap', '--exit-with-parent', '--log-level', 'error'],
                                stdout=subprocess.PIPE,
                                text=True)
        try:
            ready = re.match(r'ready: resp (\S+):(\d+) .* http (\S+) ', node.stdout.readline())
            before = resident_bytes(node)
            set_keys((ready.group(1), int(ready.group(2))), keys, value_bytes)
            time.sleep(SETTLE_SECONDS)
            grown = resident_bytes(node) - before
            counted = metric(ready.group(3), 'quorate_memory_bytes')
        finally:
            node.terminate()
            node.wait()
    return grown / keys, counted / keys


def main():
    numbers = [int(argument) for argument in sys.argv[1:]]
    keys = numbers[0] if numbers else 500_000
    print('value bytes  resident bytes per key  quorate_memory_bytes per key')
    for value_bytes in numbers[1:] or (16, 64, 256, 1024):
        resident, counted = measure(keys, value_bytes)
        print(f'{value_bytes:11}  {resident:22.0f}  {counted:28.0f}', flush=True)


if __name__ == '__main__':
    main()
