// kv/command/key_reads.h: counts of keys that reads found and did not find.
//
// Not replicated. The counts of a node are those of all its stores.
#ifndef QUORATE_KV_COMMAND_KEY_READS_H_
#define QUORATE_KV_COMMAND_KEY_READS_H_

#include <cstddef>
#include <cstdint>

namespace quorate::kv {

// Counted as Redis counts keyspace_hits and keyspace_misses: the keys of
// commands that return something about a key. Commands that only write, WATCH
// and scans count nothing.
struct KeyReads {
  uint64_t hits = 0;
  uint64_t misses = 0;

  void Add(size_t found, size_t absent) {
    hits += found;
    misses += absent;
  }
};

}  // namespace quorate::kv

#endif  // QUORATE_KV_COMMAND_KEY_READS_H_
