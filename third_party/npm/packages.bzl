"""Packages of npm that tests use, as a repository: the only thing in this workspace that is downloaded.

`npm ci` fetches what the lock file names and compares it with the lock file's hashes. A machine without npm, with a Node that is too
old, or without a way to the packages gets an empty repository that says so, and tests that need the packages skip themselves.
"""

_NODE_MAJOR_MIN = 18
_FETCH_SECONDS_MAX = 180

_BUILD = """
# Made by //third_party/npm:packages.bzl.
package(default_visibility = ["//visibility:public"])

filegroup(
    name = "node_modules",
    srcs = ["found.json"] + glob(["node_modules/**/*.js", "node_modules/**/package.json"], allow_empty = True),
)
"""

def _node_major(repository, node):
    """Returns the major version of a Node program, or 0."""
    version = repository.execute([node, "--version"]).stdout.strip()
    major = version.lstrip("v").split(".")[0]
    return int(major) if major.isdigit() else 0

def _fetch(repository):
    """Returns (the path of node, why there are no packages): one of them is empty."""
    node = repository.which("node")
    npm = repository.which("npm")
    if not node or not npm:
        return "", "node and npm are not in PATH"
    if _node_major(repository, node) < _NODE_MAJOR_MIN:
        return "", "node is older than version %d" % _NODE_MAJOR_MIN
    for label in [repository.attr.package, repository.attr.lock]:
        repository.symlink(label, label.name)
    fetched = repository.execute(
        [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"] +
        ["--fetch-retries=2", "--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=4000", "--fetch-timeout=20000"],
        timeout = _FETCH_SECONDS_MAX,
    )
    if fetched.return_code != 0:
        errors = [line for line in fetched.stderr.splitlines() if line.startswith("npm error")]
        return "", "npm could not fetch the packages: " + "; ".join(errors[:4] or ["no answer within %d s" % _FETCH_SECONDS_MAX])
    return str(node), ""

def _npm_packages(repository):
    node, missing = _fetch(repository)
    if missing:
        repository.delete("node_modules")

        # buildifier: disable=print
        print("\n\nTests of JavaScript clients will be SKIPPED: %s\n" % missing)
    repository.file("found.json", json.encode({"node": node, "missing": missing}))
    repository.file("BUILD.bazel", _BUILD)

# `local`: looked at again whenever Bazel's server starts, so that npm is noticed once it is there.
npm_packages = repository_rule(
    implementation = _npm_packages,
    attrs = {
        "package": attr.label(mandatory = True),
        "lock": attr.label(mandatory = True),
    },
    environ = ["PATH"],
    local = True,
)
