"""The client libraries that tests use, behind one interface, each as a plain and as a cluster client.

An error reply is returned as a Refused, at its position among the other replies. Values are text.
"""

import json
import logging
import os
import subprocess
import threading

import redis
from redis.cluster import RedisCluster

from quickstart_cluster import die_with_parent

FOLDER = os.path.dirname(os.path.realpath(__file__))
REPLY_SECONDS_MAX = 60


class Refused(Exception):
    """An error reply of the store; two are equal if their texts are."""

    def __eq__(self, other):
        return isinstance(other, Refused) and str(self) == str(other)

    __hash__ = Exception.__hash__


class _Interruptions(logging.Handler):
    """Keeps the log lines of the redis module about broken or hanging connections, which it retries silently."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def emit(self, record):
        text = record.getMessage()
        if 'TimeoutError' in text or 'ConnectionError' in text:
            self.seen.append(text)


class PythonClient:
    """python3-redis."""

    def __init__(self, kind, ports):
        # By default a cluster client asks one node of its own choice.
        self._everywhere = {'target_nodes': RedisCluster.PRIMARIES} if kind == 'cluster' else {}
        settings = {'decode_responses': True, 'socket_timeout': REPLY_SECONDS_MAX, 'port': ports[0]}
        self._client = RedisCluster(host='127.0.0.1', **settings) if kind == 'cluster' else redis.Redis(**settings)
        self._interruptions = _Interruptions()
        logging.getLogger('redis').addHandler(self._interruptions)

    @staticmethod
    def _asked(ask):
        try:
            return ask()
        except redis.ResponseError as error:
            raise Refused(str(error)) from error

    def set(self, key, value):
        return 'OK' if self._asked(lambda: self._client.set(key, value)) else None

    def get(self, key):
        return self._asked(lambda: self._client.get(key))

    def set_many(self, pairs):
        return 'OK' if self._asked(lambda: self._client.mset(pairs)) else None

    def get_many(self, keys):
        return self._asked(lambda: self._client.mget(keys))

    def delete_many(self, keys):
        return self._asked(lambda: self._client.delete(*keys))

    def exist_many(self, keys):
        return self._asked(lambda: self._client.exists(*keys))

    def pipeline(self, commands):
        with self._client.pipeline(transaction=False) as pipeline:
            for name, *words in commands:
                getattr(pipeline, name.lower())(*words)
            replies = pipeline.execute(raise_on_error=False)
        return [Refused(str(reply)) if isinstance(reply, Exception) else 'OK' if reply is True else reply for reply in replies]

    def keys(self, pattern):
        return self._asked(lambda: self._client.keys(pattern, **self._everywhere))

    def scan(self, pattern, count, at_most):
        found = []
        for key in self._client.scan_iter(pattern, count):
            found.append(key)
            assert len(found) <= at_most, f'SCAN does not end: more than {at_most} keys'
        return found

    def size(self):
        return self._asked(lambda: self._client.dbsize(**self._everywhere))

    def close(self):
        logging.getLogger('redis').removeHandler(self._interruptions)
        self._client.close()
        assert not self._interruptions.seen, self._interruptions.seen


class JavascriptClient:
    """A library from npm, driven by client_driver.js in a process of its own."""

    def __init__(self, library, kind, ports, found):
        self._process = subprocess.Popen(
            [found['node'], os.path.join(FOLDER, 'client_driver.js'), library, kind, *map(str, ports)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding='utf-8', preexec_fn=die_with_parent,
            env={**os.environ, 'NODE_PATH': found['node_modules']})

    def _ask(self, what, **words):
        watchdog = threading.Timer(REPLY_SECONDS_MAX, self._process.kill)
        watchdog.start()
        try:
            self._process.stdin.write(json.dumps({'do': what, **words}) + '\n')
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        finally:
            watchdog.cancel()
        assert line, f'{what}: the client ended or gave no answer within {REPLY_SECONDS_MAX} s'
        answer = json.loads(line)
        if 'error' in answer:
            raise Refused(answer['error'])
        return answer['result']

    def set(self, key, value):
        return self._ask('set', key=key, value=value)

    def get(self, key):
        return self._ask('get', key=key)

    def set_many(self, pairs):
        return self._ask('setMany', pairs=pairs)

    def get_many(self, keys):
        return self._ask('getMany', keys=keys)

    def delete_many(self, keys):
        return self._ask('deleteMany', keys=keys)

    def exist_many(self, keys):
        return self._ask('existMany', keys=keys)

    def pipeline(self, commands):
        return [Refused(reply['error']) if isinstance(reply, dict) else reply for reply in self._ask('pipeline', commands=commands)]

    def keys(self, pattern):
        return self._ask('keys', pattern=pattern)

    def scan(self, pattern, count, at_most):
        return self._ask('scan', pattern=pattern, count=count, atMost=at_most)

    def size(self):
        return self._ask('size')

    def close(self):
        self._process.stdin.close()
        try:
            self._process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise
        finally:
            self._process.stdout.close()


def npm_packages():
    """The result of third_party/npm/packages.bzl: `missing` says why there are no packages, or is empty."""
    folder = os.path.join(os.environ['TEST_SRCDIR'], 'npm_packages')
    with open(os.path.join(folder, 'found.json'), encoding='utf-8') as file:
        return {**json.load(file), 'node_modules': os.path.join(folder, 'node_modules')}
